using System.Globalization;
using PSCrac.Images.Manifest;
using PSCrac.Procfs;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Preflight;

/// <summary>A checkpointed program, something that happens before its restore, and what that does to the restore.</summary>
/// <param name="Name">What happens.</param>
/// <param name="Reason">The blocker's reason; null where the restore works.</param>
/// <param name="Program">The Python program, after <see cref="ProcessShape.Prelude"/>.</param>
/// <param name="Change">What happens; returns what has to be undone, or null.</param>
internal sealed record RestoreSituation(string Name, CracReason? Reason, string Program, Func<RestoreScene, IDisposable?> Change)
{
    /// <summary>Whether criu itself would restore, and only PSCrac refuses: it does not ask, for one, whom an image belongs to.</summary>
    internal bool IsOurs { get; init; }

    /// <summary>A part of the warning that there must be; null where none need be.</summary>
    internal string? Warns { get; init; }

    /// <summary>A program that is started beside and ended before the restore; null without one.</summary>
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

/// <summary>What a situation has to work with.</summary>
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
    /// Makes something take a pid: a process, a thread, or a zombie. The kernel gives out the pid after the one in ns_last_pid,
    /// unless someone else is quicker, so it is tried until it works.
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
        taker.WaitForLine("ready");
        Wait.Until(() => how != "zombie" || ProcessStatus.TryRead(id) is { HasEnded: true }, () => "no zombie");
        return taker;
    }
}
