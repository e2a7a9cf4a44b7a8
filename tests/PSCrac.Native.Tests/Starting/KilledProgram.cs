namespace PSCrac.Tests.Starting;

/// <summary>
/// A program of two processes and three threads that prints 1, 2, 3, a line each, and "damaged" where its memory is not what it wrote.
/// </summary>
internal static class KilledProgram
{
    private const string Memory = """
        import os, signal, socket, sys, threading, time
        big = bytearray(b"\x5a") * (12 << 20)

        """;

    // Two processes that need each other, or two that do not.
    private const string Connected = """
        s = socket.create_server(("127.0.0.1", 0))
        if os.fork() == 0:
            c = socket.create_connection(s.getsockname())
            s.close()
            while True: c.sendall(c.recv(1) or os._exit(0))
        p, _ = s.accept()
        s.close()

        def step():
            p.sendall(b"x")
            p.recv(1)

        """;

    private const string Apart = """
        if os.fork() == 0:
            while True: signal.pause()

        def step(): pass

        """;

    private const string Counting = """
        def wait():
            while True: time.sleep(0.01)

        threading.Thread(target=wait, daemon=True).start()
        n = 0
        while True:
            n += 1
            step()
            if big[n * 4096 % len(big)] != 0x5a: print("damaged", flush=True)
            print(n, flush=True)
            time.sleep(0.01)
        """;

    /// <summary>Its text in python.</summary>
    /// <param name="isConnected">Whether each step needs an answer of the other process, over TCP.</param>
    internal static string Compose(bool isConnected) => Memory + (isConnected ? Connected : Apart) + Counting;
}
