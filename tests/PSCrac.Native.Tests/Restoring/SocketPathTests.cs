using System.Net.Sockets;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>The names of unix sockets at a restore: who has one keeps it, and a socket's file is where it was at the checkpoint.</summary>
public class SocketPathTests
{
    private const string Prelude = """
        import os, socket, sys, threading, time
        folder = os.getcwd() + "/"
        def serve(s, word):
            def run():
                while True:
                    c, _ = s.accept()
                    c.send(word)
                    c.close()
            threading.Thread(target=run, daemon=True).start()
        def listen(name):
            s = socket.socket(socket.AF_UNIX)
            s.bind(name); s.listen()
            return s

        """;

    private const string End = "\nprint('ready', flush=True)\ntime.sleep(600)\n";

    private const string Listens = Prelude + "s = listen(folder + 'socket'); serve(s, b'first')" + End;

    [CriuFact("python3")]
    public void Renamed_sockets_are_where_they_were()
    {
        using Subject subject = Subject.Python(
            Prelude + """
            s = listen(folder + "stats.sock.1.tmp"); os.rename("stats.sock.1.tmp", "stats.sock"); serve(s, b"stats")
            d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind(folder + "d.tmp"); os.rename("d.tmp", "d")
            o = listen(folder + "other"); serve(o, b"other")
            """ + End,
            "ready");
        subject.Checkpoint();
        Assert.Equal(2, CracImage.Open(subject.ImagePath).Manifest!.Process.RenamedSockets.Count);

        using CracRestoredProcess restored = subject.Restore();

        Assert.Empty(restored.Warnings);
        Assert.Equal("stats", Ask(In(subject, "stats.sock")));
        Assert.Equal("other", Ask(In(subject, "other")));
        using var sender = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        sender.Connect(new UnixDomainSocketEndPoint(In(subject, "d")));
        Assert.Empty(Directory.GetFiles(subject.Program.Folder, "*.tmp"));
    }

    [CriuFact("python3")]
    public void A_renamed_socket_leaves_its_path_to_another_process_that_has_it_by_now()
    {
        using Subject subject = Subject.Python(Prelude + "s = listen(folder + 'new'); os.rename('new', 'socket'); serve(s, b'first')" + End, "ready");
        subject.Checkpoint();
        File.Delete(In(subject, "socket"));
        using TestProgram other = Second(subject);

        using CracRestoredProcess restored = subject.Restore();

        Assert.Equal("second", Ask(In(subject, "socket")));
        Assert.Equal("first", Ask(In(subject, "new")));
    }

    [CriuFact("python3")]
    public void A_renamed_socket_replaces_no_other_file()
    {
        using Subject subject = Subject.Python(Prelude + "s = listen(folder + 'new'); os.rename('new', 'socket'); serve(s, b'first')" + End, "ready");
        subject.Checkpoint();
        File.Delete(In(subject, "socket"));
        File.WriteAllText(In(subject, "socket"), "kept");

        using CracRestoredProcess restored = subject.Restore();

        Assert.Contains(In(subject, "new"), Assert.Single(restored.Warnings), StringComparison.Ordinal);
        Assert.Equal("kept", File.ReadAllText(In(subject, "socket")));
        Assert.Equal("first", Ask(In(subject, "new")));
    }

    [CriuFact("python3")]
    public void A_path_that_another_process_has_bound_is_refused_and_stays_its_own()
    {
        using Subject subject = Subject.Python(Listens, "ready");
        subject.Checkpoint();
        File.Delete(In(subject, "socket"));
        using (TestProgram other = Second(subject))
        {
            CracException refused = Expect.Failure(CracReason.AddressUnavailable, () => subject.Restore());

            Assert.Contains($"({other.ProcessId})", refused.Message, StringComparison.Ordinal);
            Assert.Contains("-PidNamespace New", refused.RecommendedAction, StringComparison.Ordinal);
            Assert.Equal("second", Ask(In(subject, "socket")));
        }

        // A file that a process has left behind is no obstacle.
        Assert.True(File.Exists(In(subject, "socket")));
        using CracRestoredProcess restored = subject.Restore();
        Assert.Equal("first", Ask(In(subject, "socket")));
    }

    [CriuFact("python3")]
    public void A_copy_in_a_pid_namespace_leaves_the_path_to_the_process_that_has_it()
    {
        using Subject subject = Subject.Python(Listens, "ready");
        subject.Checkpoint(new CheckpointOptions { LeaveRunning = true });
        Assert.True(FileStatus.TryRead(In(subject, "socket"), flags: 0, out FileStatus before, out _));

        using CracRestoredProcess copy = PSCrac.Restoring.Restore.Run(new() { Image = CracImage.Open(subject.ImagePath), PidNamespace = CracPidNamespace.New });
        try
        {
            Assert.Contains(copy.Findings, static finding => finding is { Severity: CracFindingSeverity.Warning, Reason: CracReason.AddressUnavailable });
            Assert.Single(Directory.GetFiles(subject.Program.Folder, "socket*"));

            Assert.True(FileStatus.TryRead(In(subject, "socket"), flags: 0, out FileStatus after, out _));
            Assert.Equal(before.Inode, after.Inode);
            Assert.Equal("first", Ask(In(subject, "socket")));
        }
        finally
        {
            CriuProgram.Kill("-KILL", $"{copy.NamespaceInitId}");
            copy.WaitForExit(Wait.Limit);
        }
    }

    [CriuTheory("python3")]
    [InlineData("s = listen('\\0pscrac-%d' % os.getpid())")]
    [InlineData("s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('\\0pscrac-%d' % os.getpid())")]
    public void An_abstract_name_that_another_process_has_is_refused(string program)
    {
        using Subject subject = Subject.Python(Prelude + program + End, "ready");
        SocketType type = program.Contains("DGRAM", StringComparison.Ordinal) ? SocketType.Dgram : SocketType.Stream;
        subject.Checkpoint();
        using (var holder = new Socket(AddressFamily.Unix, type, ProtocolType.Unspecified))
        {
            holder.Bind(new UnixDomainSocketEndPoint($"\0pscrac-{subject.ProcessId}"));
            CracException refused = Expect.Failure(CracReason.AddressUnavailable, () => subject.Restore());
            Assert.Contains($"@pscrac-{subject.ProcessId}", refused.Message, StringComparison.Ordinal);
        }

        using CracRestoredProcess restored = subject.Restore();
    }

    [CriuTheory("python3")]
    [InlineData("folder + 'log'")]
    [InlineData("'\\0pscrac-log-%d' % os.getpid()")]
    public void A_datagram_socket_needs_a_socket_at_the_other_end(string name)
    {
        using Subject subject = Subject.Python(
            Prelude + $$"""
            d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            name = {{name}}
            print("go " + name.replace("\0", "@") + " .", flush=True)
            while True:
                try:
                    d.connect(name)
                    break
                except OSError:
                    time.sleep(0.01)
            """ + End,
            "go");
        string? line = null;
        Wait.Until(() => (line = subject.LastLine()).EndsWith(" .", StringComparison.Ordinal), () => "no address");
        string address = line!.Split(' ')[1];
        using (Bind(subject, address))
        {
            subject.Program.WaitForLine("ready");
            subject.Checkpoint(new CheckpointOptions { ExternalUnixSocket = true });
        }

        Assert.True(address[0] == '@' || File.Exists(address));
        CracException refused = Expect.Failure(CracReason.UnixSocketExternal, () => subject.Restore());
        Assert.Contains(address, refused.Message, StringComparison.Ordinal);

        File.Delete(address);
        using TestProgram log = Bind(subject, address);
        using CracRestoredProcess restored = subject.Restore();
    }

    private static TestProgram Bind(Subject subject, string address)
    {
        File.Delete(In(subject, "bound"));
        TestProgram other = subject.Program.StartPartner("python3", ["-c", """
            import socket, sys, time
            d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            d.bind(sys.argv[1].replace("@", "\0"))
            open("bound", "w").close()
            time.sleep(600)
            """, address]);
        Wait.Until(() => File.Exists(In(subject, "bound")), other.ReadErrors);
        return other;
    }

    private static TestProgram Second(Subject subject)
    {
        TestProgram second = subject.Program.StartPartner("python3", ["-c", Prelude + "s = listen(folder + 'socket'); serve(s, b'second')" + End]);
        Wait.Until(() => File.Exists(In(subject, "socket")), second.ReadErrors);
        return second;
    }

    private static string In(Subject subject, string name) => Path.Combine(subject.Program.Folder, name);

    private static string Ask(string path)
    {
        byte[] answer = new byte[100];
        string text = "";
        Wait.Until(
            () =>
            {
                // Between bind and listen a connection is refused.
                using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    socket.Connect(new UnixDomainSocketEndPoint(path));
                    text = System.Text.Encoding.ASCII.GetString(answer, 0, socket.Receive(answer));
                    return true;
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
                {
                    return false;
                }
            },
            () => $"nobody listens at {path}");
        return text;
    }
}
