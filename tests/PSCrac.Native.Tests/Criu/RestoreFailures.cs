using System.Net;
using System.Net.Sockets;
using PSCrac.Options;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Criu;

/// <summary>Images that criu fails to restore after a change of them or of the machine, by the row of the table with the reason.</summary>
internal static class RestoreFailures
{
    internal sealed record Case(string Row, string Script, Func<CriuRun, IDisposable?> Harm)
    {
        internal CheckpointOptions DumpOptions { get; init; } = new();

        internal RestoreOptions Options { get; init; } = new();

        internal int Target { get; init; }

        internal string? Config { get; init; }
    }

    private const string OpenFile = "f = open('data', 'w'); f.write('x' * 10); f.flush()";
    private static readonly RestoreOptions Job = new() { ShellJob = true };

    internal static readonly Case[] All =
    [
        new("pid taken", "", static run => new PidTaker(run.ProcessId, asZombie: false)),
        new("connected tcp socket in image", "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); a, _ = s.accept()", Nothing)
        {
            DumpOptions = new() { TcpEstablished = true, CriuOption = new Dictionary<string, object?> { ["network-lock"] = "skip" } },
        },
        new("unix peer gone", """
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.bind(os.path.abspath("server"))
            if os.fork() == 0:
                s.close()
                c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                c.connect(os.path.abspath("server"))
            """, Nothing)
        { Target = 1, DumpOptions = new() { ShellJob = true, ExternalUnixSocket = true }, Options = Job },
        new("address in use", "s = socket.create_server(('127.0.0.1', 0)); open('port', 'w').write(str(s.getsockname()[1]))", static run =>
        {
            var listener = new TcpListener(IPAddress.Loopback, int.Parse(File.ReadAllText(In(run, "port"))));
            listener.Start();
            return listener;
        }),
        new("unix address in use", "s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen()", static run =>
        {
            File.Delete(In(run, "s"));
            Directory.CreateDirectory(In(run, "s"));
            return null;
        }),
        new("abstract unix name in use", "n = '\\0pscrac-%d' % os.getpid(); s = socket.socket(socket.AF_UNIX); s.bind(n); s.listen()", static run =>
        {
            var holder = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            holder.Bind(new UnixDomainSocketEndPoint($"\0pscrac-{run.ProcessId}"));
            return holder;
        }),
        new("unix folder missing", "os.mkdir('u'); s = socket.socket(socket.AF_UNIX); s.bind('u/s'); s.listen()", static run =>
        {
            Directory.Delete(In(run, "u"), recursive: true);
            return null;
        }),
        new("no terminal to restore to", DumpFailures.JobOnTerminal, Nothing) { Target = 2, DumpOptions = new() { ShellJob = true }, Options = Job },
        new("file size", OpenFile, static run => Write(run, "data", "grown and grown")),
        new("file mode", OpenFile, static run =>
        {
            File.SetUnixFileMode(In(run, "data"), UnixFileMode.UserRead);
            return null;
        }),
        new("file missing", OpenFile, static run => Delete(In(run, "data"))),
        new("file of another kind", OpenFile, static run =>
        {
            File.Delete(In(run, "data"));
            Directory.CreateDirectory(In(run, "data"));
            return null;
        }),
        new("fifo missing", "os.mkfifo('fifo'); f = os.open('fifo', os.O_RDWR)", static run => Delete(In(run, "fifo"))),
        new("watched path missing", "os.mkdir('w'); libc.inotify_add_watch(libc.inotify_init1(0), b'w', 0x100)", static run =>
        {
            Directory.Delete(In(run, "w"));
            return null;
        }),
        new("image used up", "f = open('a', 'w'); f.write('x'); f.flush(); os.link('a', 'b'); os.unlink('a')", static run => Delete(Directory.GetFiles(run.Folder, "link_remap.*")))
        {
            DumpOptions = new() { LinkRemap = true }, Options = new() { LinkRemap = true },
        },
        new("removed folder not empty", "os.mkdir('x'); f = os.open('x', 0); os.rmdir('x')", static run => Write(run, Directory.CreateDirectory(In(run, "x")).FullName + "/y", "")),
        new("removed file on read-only", """
            os.mkdir('m'); libc.mount(b'tmpfs', b'm', b'tmpfs', 0, None)
            f = os.open('m/f', os.O_RDONLY | os.O_CREAT); os.unlink('m/f')
            """, static run =>
        {
            Xunit.Assert.Equal(0, CriuProgram.RunProgram("mount", "-o", "remount,ro", In(run, "m")).ExitCode);
            return new Unmounting(In(run, "m"));
        }),
        new("page daemon", "", Nothing) { Config = "lazy-pages\n" },
        new("image without ids", "", static run => Delete(run.ImageFiles("ids-*.img"))),
        new("image file missing", "", static run => Delete(run.ImageFiles("core-*.img"))),
        new("image cut short", "", static run => Delete(run.ImageFiles("pages-1.img"))),
        new("bad magic", "", static run => Edit(run.ImageFiles("pstree.img")[0], static bytes => bytes.AsSpan(4, 4).Fill(0x77))),
        new("bad entry", "", static run => Edit(run.ImageFiles("pstree.img")[0], static bytes => bytes.AsSpan(12).Fill(0xff))),
        new("image version", "", static run => Edit(run.ImageFiles("inventory.img")[0], static bytes =>
        {
            // A magic and a length, then field 1, a varint: the version of the format.
            Xunit.Assert.Equal(0x08, bytes[8]);
            bytes[9] = 0x7f;
        })),
        new("crash", "", static run => Delete(run.ImageFiles("files.img"))),
    ];

    private sealed class Unmounting(string path) : IDisposable
    {
        public void Dispose() => CriuProgram.RunProgram("umount", "-l", path);
    }

    private static IDisposable? Nothing(CriuRun run) => null;

    private static string In(CriuRun run, string name) => Path.Combine(run.Folder, name);

    private static IDisposable? Write(CriuRun run, string name, string text)
    {
        File.WriteAllText(In(run, name), text);
        return null;
    }

    private static IDisposable? Delete(params string[] files)
    {
        Xunit.Assert.NotEmpty(files);
        Array.ForEach(files, File.Delete);
        return null;
    }

    private static IDisposable? Edit(string file, Action<byte[]> edit)
    {
        byte[] bytes = File.ReadAllBytes(file);
        edit(bytes);
        File.WriteAllBytes(file, bytes);
        return null;
    }
}
