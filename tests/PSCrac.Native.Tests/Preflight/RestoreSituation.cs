using System.Globalization;
using PSCrac.Images.Manifest;
using PSCrac.Procfs;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Preflight;

/// <summary>A checkpointed program, an event before its restore, and the effect on the restore.</summary>
/// <param name="Name">The event.</param>
/// <param name="Reason">The blocker's reason; null if the restore works.</param>
/// <param name="Program">The Python program, after <see cref="ProcessShape.Prelude"/>.</param>
/// <param name="Change">Causes the event; returns what undoes it, or null.</param>
internal sealed record RestoreSituation(string Name, CracReason? Reason, string Program, Func<RestoreScene, IDisposable?> Change)
{
    /// <summary>Whether only PSCrac refuses, and criu alone would restore: criu does not check the owner of an image, for example.</summary>
    internal bool IsPSCracOnly { get; init; }

    /// <summary>A required part of the text of a warning; null for none.</summary>
    internal string? ExpectedWarning { get; init; }

    /// <summary>A program that is started beside it and ended before the restore; null for none.</summary>
    internal string? Partner { get; init; }

    /// <summary>A program, with its arguments, that starts the interpreter.</summary>
    internal IReadOnlyList<string> Wrapper { get; init; } = [];

    internal const string Quiet = "ready(); wait(); answer(True)";

    internal const string OpensFile = """
        f = os.open("data", os.O_RDWR | os.O_CREAT)
        os.write(f, b"0123456789")
        ready(); wait()
        answer(True)
        """;

    internal const string AdoptedChild = """
        libc.prctl(36, 1, 0, 0, 0)
        r, w = os.pipe()
        def lead():
            os.setsid()
            middle = os.fork()
            if middle == 0:
                os.write(w, b"%d" % child(lambda: None))
                os._exit(0)
            os.waitpid(middle, 0)
        leader = child(lead)
        pid = int(os.read(r, 20))
        while open("/proc/%d/stat" % pid).read().split()[3] != str(os.getpid()):
            time.sleep(0.001)
        ids = [os.getpid(), leader, pid]
        helper = next(n for n in range(os.getpid(), os.getpid() + 4) if n not in ids)
        while os.path.exists("/proc/%d" % helper):
            time.sleep(0.01)
        ready(); wait()
        answer(os.getsid(pid) == leader, os.getsid(pid), leader)
        """;

    internal const string Watches = """
        i = libc.inotify_init1(0)
        os.mkdir("watched")
        libc.inotify_add_watch(i, b"watched", 0x100)
        ready(); wait()
        open("watched/new", "w").close()
        answer(b"new" in os.read(i, 1000))
        """;

    internal const string Listens = """
        s = socket.create_server((os.environ.get("ADDRESS", "127.0.0.1"), 0))
        open("port", "w").write(str(s.getsockname()[1]))
        ready(); wait()
        answer(True)
        """;
}

/// <summary>The inputs of an event.</summary>
/// <param name="ProcessId">The pid in the image.</param>
/// <param name="Folder">The program's folder.</param>
/// <param name="Image">The image's folder.</param>
internal sealed record RestoreScene(int ProcessId, string Folder, string Image)
{
    internal string File(string name) => Path.Combine(Folder, name);

    internal void EditManifest(Func<ImageManifest, ImageManifest> edit)
    {
        ImageManifest manifest = edit(ImageManifest.Read(Image)!);
        using FileStream file = System.IO.File.Create(Path.Combine(Image, ImageManifest.FileName));
        manifest.Write(file);
    }

    internal string Entry(string pattern) => Directory.GetFiles(Image, pattern)[0];

    /// <summary>
    /// Makes a process, a thread or a zombie take a pid. The kernel assigns the pid after the one in ns_last_pid,
    /// unless another process is faster, so it is repeated until it works.
    /// </summary>
    internal static IDisposable Take(int id, string how)
    {
        string number = id.ToString(CultureInfo.InvariantCulture);
        var taker = TestProgram.Start(PythonProgram.Path!, ["-c", ProcessShape.Prelude + $$"""
            how, wanted = "{{how}}", {{number}}
            def aim():
                open("/proc/sys/kernel/ns_last_pid", "w").write(str(wanted - 1))
            if how == "thread":
                got = []
                while wanted not in got:
                    aim()
                    t = threading.Thread(target=lambda: (got.append(threading.get_native_id()), time.sleep(600 if got[-1] == wanted else 0)), daemon=True)
                    t.start()
                    time.sleep(0.005)
            else:
                while True:
                    aim()
                    pid = os.fork()
                    if pid == 0:
                        if how == "zombie" or os.getpid() != wanted:
                            os._exit(0)
                        time.sleep(600)
                    if pid == wanted:
                        break
                    os.waitpid(pid, 0)
            print("ready", flush=True)
            time.sleep(600)
            """]);
        try
        {
            taker.WaitForLine("ready");
            Wait.Until(() => how != "zombie" || ProcessStatus.TryRead(id) is { HasEnded: true }, () => "no zombie");
            return taker;
        }
        catch
        {
            taker.Dispose();
            throw;
        }
    }
}
