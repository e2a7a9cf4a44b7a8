using PSCrac.Options;

namespace PSCrac.Tests.Preflight;

/// <summary>Shapes made of sockets.</summary>
internal static partial class ProcessShapes
{
    private static IEnumerable<ProcessShape> Sockets() =>
    [
        new("tcp socket neither bound nor connected", ShapeNeed.Nothing, """
            s = socket.socket()
            ready(); wait()
            s.bind(("127.0.0.1", 0))
            answer(True)
            """),
        new("tcp listener", ShapeNeed.Nothing, """
            s = socket.create_server(("127.0.0.1", 0))
            ready(); wait()
            c = socket.create_connection(s.getsockname())
            answer(s.accept()[0].getpeername() == c.getsockname())
            """),
        new("tcp listener on IPv6", ShapeNeed.Nothing, """
            s = socket.create_server(("::1", 0), family=socket.AF_INET6)
            ready(); wait()
            c = socket.create_connection(s.getsockname()[:2])
            answer(s.accept()[0].getpeername() == c.getsockname())
            """),
        new("udp socket", ShapeNeed.Nothing, """
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("127.0.0.1", 0))
            s.connect(s.getsockname())
            ready(); wait()
            s.send(b"hello")
            answer(s.recv(10) == b"hello")
            """),
        new("udp socket with something to read", ShapeNeed.Nothing, """
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("127.0.0.1", 0))
            s.connect(s.getsockname())
            s.send(b"lost")
            ready(); wait()
            s.send(b"new")
            answer(s.recv(10) in (b"new", b"lost"))
            """),
        new("udp socket on an address that is not here (IP_FREEBIND)", ShapeNeed.RestoreFails, """
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.IPPROTO_IP, 15, 1)
            s.bind(("198.51.100.9", 0))
            ready(); wait()
            answer(True)
            """) { ExpectedText = "IP_FREEBIND" },
        new("tcp listener on an address that is not here (IP_FREEBIND)", ShapeNeed.RestoreFails, """
            s = socket.socket()
            s.setsockopt(socket.IPPROTO_IP, 15, 1)
            s.bind(("198.51.100.10", 0)); s.listen()
            ready(); wait()
            answer(True)
            """) { ExpectedText = "ip_nonlocal_bind" },
        new("raw socket", ShapeNeed.Nothing, """
            s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            ready(); wait()
            answer(s.getsockname()[0] == "0.0.0.0")
            """),
        new("packet socket", ShapeNeed.Nothing, """
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            ready(); wait()
            answer(s.getsockname()[0] == "")
            """),
        new("netlink socket", ShapeNeed.Nothing, """
            s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            s.bind((0, 1))
            ready(); wait()
            answer(s.getsockname()[1] == 1)
            """),
        new("unix socket pair with data in it", ShapeNeed.Nothing, """
            a, b = socket.socketpair()
            a.send(b"kept")
            ready(); wait()
            answer(b.recv(10) == b"kept")
            """),
        new("unix datagram pair", ShapeNeed.Nothing, """
            a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            a.send(b"kept")
            ready(); wait()
            answer(b.recv(10) == b"kept")
            """),
        new("unix listener and its caller", ShapeNeed.Nothing, """
            s = socket.socket(socket.AF_UNIX)
            s.bind("socket"); s.listen()
            c = socket.socket(socket.AF_UNIX); c.connect("socket")
            a, _ = s.accept()
            ready(); wait()
            c.send(b"hello")
            answer(a.recv(10) == b"hello")
            """),
        new("unix listener whose caller waits", ShapeNeed.Nothing, """
            s = socket.socket(socket.AF_UNIX)
            s.bind("socket"); s.listen()
            c = socket.socket(socket.AF_UNIX); c.connect("socket")
            ready(); wait()
            a, _ = s.accept()
            c.send(b"hello")
            answer(a.recv(10) == b"hello")
            """),
        new("unix socket whose other end was closed", ShapeNeed.Nothing, """
            a, b = socket.socketpair()
            b.close()
            ready(); wait()
            answer(a.recv(10) == b"")
            """),
        new("tcp connection to itself", ShapeNeed.ChosenOptions, """
            s = socket.create_server(("127.0.0.1", 0))
            c = socket.create_connection(s.getsockname())
            a, _ = s.accept()
            c.send(b"kept")
            ready(); wait()
            c.send(b" on")
            said = b""
            while len(said) < 7:
                said += a.recv(10)
            answer(said == b"kept on")
            """) { ExpectedText = "Both ends" },
        new("tcp connection between parent and child", ShapeNeed.ChosenOptions, """
            s = socket.create_server(("127.0.0.1", 0))
            def call():
                c = socket.create_connection(s.getsockname())
                while True:
                    c.send(c.recv(10))
            child(call)
            a, _ = s.accept()
            ready(); wait()
            a.send(b"hello")
            answer(a.recv(10) == b"hello")
            """) { ExpectedText = "Both ends" },
        new("tcp connection to itself over IPv6", ShapeNeed.ChosenOptions, """
            s = socket.create_server(("::1", 0), family=socket.AF_INET6)
            c = socket.create_connection(s.getsockname()[:2])
            a, _ = s.accept()
            ready(); wait()
            c.send(b"kept")
            answer(a.recv(10) == b"kept")
            """) { ExpectedText = "Both ends" },
        new("unix datagram socket connected to a log outside", ShapeNeed.ChosenOptions, """
            until("partner-ready")
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.connect(BASE + "log")
            ready(); wait()
            s.send(b"line")
            until("logged")
            answer(open(BASE + "logged").read() == "line")
            """)
        {
            Partner = """
                s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                s.bind(BASE + "log")
                ready()
                line = s.recv(10)
                open("logged.part", "wb").write(line)
                os.rename("logged.part", "logged")
                time.sleep(60)
                """,
            ExpectedText = "-ExternalUnixSocket",
        },
        new("tcp connection that leaves the tree", ShapeNeed.Consent, """
            until("partner-ready")
            s = socket.create_connection(("127.0.0.1", int(open(BASE + "port").read())))
            ready(); wait()
            answer(fails(lambda: s.send(b"x")) or s.recv(10) == b"")
            """)
        {
            Partner = """
                s = socket.create_server(("127.0.0.1", 0))
                open("port", "w").write(str(s.getsockname()[1]))
                ready()
                a, _ = s.accept()
                a.recv(10)
                time.sleep(60)
                """,
            Consent = new CheckpointOptions { TcpClose = true },
            ExpectedText = "-TcpClose",
        },
        new("tcp connection from outside that waits to be accepted", ShapeNeed.Consent, """
            s = socket.create_server(("127.0.0.1", 0))
            open("port", "w").write(str(s.getsockname()[1]))
            until("partner-ready")
            ready(); wait()
            c = socket.create_connection(s.getsockname())
            answer(s.accept()[0].getpeername() == c.getsockname())
            """)
        {
            Partner = """
                until("port")
                while not open("port").read():
                    time.sleep(0.01)
                s = socket.create_connection(("127.0.0.1", int(open("port").read())))
                ready()
                time.sleep(60)
                """,
            Consent = new CheckpointOptions { CriuOption = new Dictionary<string, object?> { ["skip-in-flight"] = true } },
            ExpectedText = "-SkipInFlight",
        },
        new("unix connection that leaves the tree", ShapeNeed.Impossible, """
            until("partner-ready")
            s = socket.socket(socket.AF_UNIX)
            s.connect(BASE + "socket")
            ready(); wait()
            s.send(b"hello")
            answer(s.recv(10) == b"hello")
            """) { Partner = EchoOnUnixSocket, ExpectedText = "outside the tree" },
        new("unix connection from outside", ShapeNeed.Impossible, """
            s = socket.socket(socket.AF_UNIX)
            s.bind(BASE + "socket"); s.listen()
            a, _ = s.accept()
            ready(); wait()
            answer(a.recv(10) == b"hello")
            """)
        {
            Partner = """
                until("socket")
                s = socket.socket(socket.AF_UNIX)
                while fails(lambda: s.connect("socket")):
                    time.sleep(0.01)
                s.send(b"hello")
                ready()
                time.sleep(60)
                """,
            ExpectedText = "outside the tree",
        },
        new("unix connection that the other side has not accepted", ShapeNeed.RestoreFails, """
            until("partner-ready")
            s = socket.socket(socket.AF_UNIX)
            s.connect(BASE + "socket")
            ready(); wait()
            answer(s.send(b"x") == 1)
            """)
        {
            Partner = """
                s = socket.socket(socket.AF_UNIX)
                s.bind("socket"); s.listen()
                ready()
                time.sleep(60)
                """,
            ExpectedText = "accepted",
        },
        new("unix listener whose client has disconnected", ShapeNeed.Impossible, """
            s = socket.socket(socket.AF_UNIX)
            s.bind("socket"); s.listen()
            c = socket.socket(socket.AF_UNIX); c.connect("socket"); c.close()
            ready(); wait()
            answer(s.accept()[0].recv(1) == b"")
            """) { ExpectedText = "client disconnected" },
        new("netlink socket with something to read", ShapeNeed.Impossible, """
            s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            s.bind((0, 0))
            s.send(struct.pack("=LHHLLBxxx", 20, 18, 0x301, 1, 0, 0))
            select.select([s], [], [])
            ready(); wait()
            answer(len(s.recv(10000)) > 0)
            """) { ExpectedText = "not read" },
        new("vsock socket", ShapeNeed.Impossible, """
            s = socket.socket(40, socket.SOCK_STREAM)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "VSOCK", SkipReason = WhyNoSocket(40, 1, 0) },
        new("kernel cryptography socket", ShapeNeed.Impossible, """
            s = socket.socket(38, socket.SOCK_SEQPACKET)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "ALG", SkipReason = WhyNoSocket(38, 5, 0) },
        new("multipath tcp socket", ShapeNeed.Impossible, """
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
            s.bind(("127.0.0.1", 0)); s.listen()
            ready(); wait()
            answer(True)
            """) { ExpectedText = "multipath", SkipReason = WhyNoSocket(2, 1, 262) },
    ];

    private const string EchoOnUnixSocket = """
        s = socket.socket(socket.AF_UNIX)
        s.bind("socket"); s.listen()
        ready()
        a, _ = s.accept()
        while True:
            a.send(a.recv(10))
        """;
}
