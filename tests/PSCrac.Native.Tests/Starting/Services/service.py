# A service for the tests of crac-start: PORT, and words that say how it behaves. It counts the requests that it was sent.
import http.server, os, signal, sys, threading, time

port, words = int(sys.argv[1]), sys.argv[2:]
count = 0
if "early" in words:
    print("no configuration", file=sys.stderr, flush=True)
    sys.exit(3)
if "stubborn" in words:
    signal.signal(signal.SIGTERM, lambda *_: open("signals", "a").write("TERM\n"))
if "signals" in words:
    for name in "HUP", "USR1", "USR2", "QUIT", "INT":
        signal.signal(getattr(signal, "SIG" + name), lambda number, _: open("signals", "a").write(signal.Signals(number).name + "\n"))
if "fork" in words and os.fork() == 0:
    while True:
        open("child", "a").write(".")
        time.sleep(0.05)
if "orphan" in words and os.fork() == 0:
    if os.fork() == 0:
        time.sleep(0.2)
        os._exit(0)
    os._exit(0)
if "orphan" in words:
    os.wait()


def die_after_a_restore():
    # A restored one has lived for long already.
    lived = 0
    while True:
        time.sleep(0.02)
        lived += 1
        if lived > 200 and os.path.exists("die"):
            os._exit(9)


if "fragile" in words:
    threading.Thread(target=die_after_a_restore, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        count += 1
        if self.path.startswith("/exit?"):
            os._exit(int(self.path[6:]))
        body = os.environ.get("NOTIFY_SOCKET", "none") if self.path == "/environment" else f"{os.getpid()} {count}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
