using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Services;

/// <summary>Services of other runtimes than Python under crac-start: started, warmed up and checkpointed once, then restored, with what they had in memory.</summary>
public class ServiceProgramTests
{
    private const int WarmUps = 20;
    private const int Terminated = 143;

    [CriuFact("node")]
    public void Node()
    {
        using var service = new StartedByCracStart();
        File.WriteAllText(service.At("server.js"), """
            let count = 0;
            require('node:http').createServer((request, response) => response.end(`${process.pid} ${++count}`)).listen(Number(process.argv[2]), '127.0.0.1');
            """);
        AssertRestored(service, "node", [service.At("server.js")], Terminated);
    }

    [CriuFact("java", "javac")]
    public void A_JVM_which_collects_its_garbage_first()
    {
        using var service = new StartedByCracStart();
        File.WriteAllText(service.At("Service.java"), """
            public class Service {
                static int count;
                public static void main(String[] arguments) throws Exception {
                    var server = com.sun.net.httpserver.HttpServer.create(new java.net.InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 0);
                    server.createContext("/", exchange -> {
                        byte[] body = (ProcessHandle.current().pid() + " " + ++count).getBytes();
                        exchange.sendResponseHeaders(200, body.length);
                        exchange.getResponseBody().write(body);
                        exchange.close();
                    });
                    server.start();
                }
            }
            """);
        (int code, string error) = CriuProgram.RunProgram("javac", "-d", service.At("classes"), service.At("Service.java"));
        Assert.True(code == 0, error);
        service.Description.CollectGarbage = true;
        AssertRestored(service, "java", ["-cp", service.At("classes"), "Service"], Terminated);
    }

    [KestrelFact]
    public void Kestrel_which_ends_by_itself_when_it_is_told_to()
    {
        using var service = new StartedByCracStart();
        string project = Directory.CreateDirectory(service.At("kestrel")).FullName;
        File.WriteAllText(Path.Combine(project, "kestrel.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk.Web">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <UseAppHost>false</UseAppHost>
                <NuGetAudit>false</NuGetAudit>
              </PropertyGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(project, "Program.cs"), """
            var builder = WebApplication.CreateSlimBuilder(args);
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls($"http://127.0.0.1:{args[0]}");
            var app = builder.Build();
            int count = 0;
            app.MapGet("/", () => $"{Environment.ProcessId} {++count}");
            app.Run();
            """);
        string output = service.At("kestrel/out");
        (int code, string error) = CriuProgram.RunProgram("dotnet", "build", project, "--output", output, "--nologo", "--verbosity", "quiet", "--disable-build-servers");
        Assert.True(code == 0, error);
        AssertRestored(service, "dotnet", [Path.Combine(output, "kestrel.dll")], exitCode: 0);
    }

    private static void AssertRestored(StartedByCracStart service, string program, string[] arguments, int exitCode)
    {
        service.Description = service.Description with { FilePath = program, Arguments = [.. arguments, $"{service.Port}"] };
        service.Description.WarmUpUri = [service.Description.ReadyUri!];
        service.Description.WarmUpCount = WarmUps;
        StartedByCracStart.Run first = service.Start();
        first.WaitForLine("Checkpointed to");
        (int id, int count) = service.Ask();
        Assert.True(count > WarmUps);
        Assert.Equal(exitCode, first.End());

        StartedByCracStart.Run second = service.Start();
        Assert.Contains($" as process {id} ", second.WaitForLine("Restored from"), StringComparison.Ordinal);
        (int restored, int asked) = service.Ask();
        Assert.Equal(id, restored);
        Assert.True(asked > WarmUps, $"{asked} requests: it has lost the warm-up");
        Assert.Equal(0, second.Count("Started"));
        Assert.Equal(exitCode, second.End());
        File.Delete($"/tmp/.java_pid{id}");
    }
}
