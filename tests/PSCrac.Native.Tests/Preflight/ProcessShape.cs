using PSCrac.Options;

namespace PSCrac.Tests.Preflight;

/// <summary>What a checkpoint and restore of a shape needs.</summary>
public enum ShapeNeed
{
    /// <summary>Nothing: criu does it with no option.</summary>
    Nothing,

    /// <summary>Options that lose nothing, which are chosen.</summary>
    ChosenOptions,

    /// <summary>An option with a loss, which the caller must give.</summary>
    Consent,

    /// <summary>It cannot be done.</summary>
    Impossible,

    /// <summary>criu creates an image without options; for the restore an option without loss is chosen.</summary>
    RestoreOption,

    /// <summary>criu creates an image that it cannot restore, which preflight reports as a blocker.</summary>
    RestoreFails,
}

/// <summary>
/// A small Python program with one particular kind of state. It calls ready() when it has it, wait() until it is asked, and
/// answer(truth) with whether its state is unchanged.
/// </summary>
internal sealed record ProcessShape(string Name, ShapeNeed Need, string Program)
{
    /// <summary>A program that is started first and stays outside the tree; null for none.</summary>
    internal string? Partner { get; init; }

    /// <summary>A program, with its arguments, that starts the interpreter, such as unshare -n.</summary>
    internal IReadOnlyList<string> Wrapper { get; init; } = [];

    /// <summary>The folder below the test's folder with the program's go and answer files, for a program that changes its root.</summary>
    internal string Folder { get; init; } = "";

    /// <summary>Whether any user may write to the test's folder.</summary>
    internal bool OpenFolder { get; init; }

    /// <summary>Whether the program has ancestors outside the tree, the first of which leads its session.</summary>
    internal bool HasLeader { get; init; }

    /// <summary>The caller's options, for shapes that need consent.</summary>
    internal CheckpointOptions? Consent { get; init; }

    /// <summary>A required part of the text of the blocker or option.</summary>
    internal string? ExpectedText { get; init; }

    /// <summary>A required part of the text of a warning.</summary>
    internal string? ExpectedWarning { get; init; }

    /// <summary>Whether the program is stopped, and must still be stopped after the restore.</summary>
    internal bool IsStopped { get; init; }

    /// <summary>Why the shape cannot be created on this machine; null if it can.</summary>
    internal string? SkipReason { get; init; }

    public override string ToString() => Name;

    /// <summary>The start of every program.</summary>
    internal const string Prelude = """
        import ctypes, errno, fcntl, mmap, os, resource, select, signal, socket, struct, sys, termios, threading, time
        libc = ctypes.CDLL(None, use_errno=True)
        BASE = os.getcwd() + "/"
        def ready():
            # Renamed when it is closed, so that the open descriptor is not part of what is examined.
            open(BASE + "ready" + ".part", "w").close()
            os.rename(BASE + "ready" + ".part", BASE + "ready")
        def wait():
            while not os.path.exists(BASE + "go"):
                time.sleep(0.01)
        def answer(good, *detail):
            with open(BASE + "answer.part", "w") as f:
                f.write("good" if good else "bad " + repr(detail))
            os.rename(BASE + "answer.part", BASE + "answer")
            while True:
                time.sleep(60)
        def syscall(*a):
            r = libc.syscall(*a)
            if r < 0:
                e = ctypes.get_errno()
                raise OSError(e, os.strerror(e))
            return r
        def until(path):
            while not os.path.exists(BASE + path):
                time.sleep(0.005)
        def fails(f):
            try:
                f()
                return False
            except OSError:
                return True
        def refused(kind, length, start):
            def tries():
                g = os.open("data", os.O_RDWR)
                os._exit(3 if fails(lambda: fcntl.lockf(g, kind | fcntl.LOCK_NB, length, start)) else 0)
            return os.waitstatus_to_exitcode(os.waitpid(child(tries), 0)[1]) == 3
        def child(body):
            pid = os.fork()
            if pid == 0:
                body()
                while True:
                    time.sleep(60)
            return pid

        """;
}
