import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;
import org.springframework.stereotype.Service;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.context.support.AnnotationConfigWebApplicationContext;
import org.springframework.web.servlet.DispatcherServlet;
import org.springframework.web.servlet.mvc.method.annotation.RequestMappingHandlerAdapter;
import org.springframework.web.servlet.mvc.method.annotation.RequestMappingHandlerMapping;

/** A small Spring MVC service on embedded Jetty, of what Debian packages: libspring-web-servlet-java, libjetty9-java. */
public final class Application {
    public static void main(String[] arguments) throws Exception {
        AnnotationConfigWebApplicationContext context = new AnnotationConfigWebApplicationContext();
        // Not @EnableWebMvc: Debian's Spring cannot make the subclass of a @Configuration (its cglib and its asm do not fit).
        context.register(RequestMappingHandlerMapping.class, RequestMappingHandlerAdapter.class, Greetings.class, GreetingController.class);
        ServletContextHandler handler = new ServletContextHandler();
        handler.setContextPath("/");
        ServletHolder servlet = new ServletHolder(new DispatcherServlet(context));
        servlet.setInitOrder(0);
        handler.addServlet(servlet, "/*");
        Server server = new Server(new java.net.InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])));
        server.setHandler(handler);
        server.start();
        server.join();
    }

    @Service
    static class Greetings {
        private long count;

        synchronized String next(String name) {
            return "Hello, " + name + ", caller " + ++count;
        }
    }

    @RestController
    static class GreetingController {
        private final Greetings greetings;

        GreetingController(Greetings greetings) {
            this.greetings = greetings;
        }

        @RequestMapping(path = "/hello/{name}", produces = "text/plain")
        String hello(@PathVariable("name") String name) {
            return greetings.next(name);
        }

        @RequestMapping(path = "/health", produces = "text/plain")
        String health() {
            return "up";
        }
    }
}
