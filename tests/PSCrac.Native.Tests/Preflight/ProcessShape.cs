using PSCrac.Options;

namespace PSCrac.Tests.Preflight;

/// <summary>What it takes to checkpoint and restore a shape.</summary>
public enum ShapeNeed
{
    /// <summary>Nothing: criu does it with no option.</summary>
    Nothing,

    /// <summary>Options that lose nothing, which are chosen.</summary>
    ChosenOptions,

    /// <summary>An option that loses something, which the caller has to give.</summary>
    Consent,

    /// <summary>It cannot be done.</summary>
    Impossible,

    /// <summary>criu makes an image with no option; for its restore one is chosen that loses nothing.</summary>
    RestoreOption,

    /// <summary>criu makes an image that it then cannot restore, which preflight calls a blocker.</summary>
    RestoreFails,
}

/// <summary>
/// A small Python program that is in one particular situation. It calls ready() when it is, wait() until it is asked, and
/// answer(truth) with whether its state is still what it was.
/// </summary>
internal sealed record ProcessShape(string Name, ShapeNeed Need, string Program)
{
    /// <summary>A program that is started first and stays outside the tree; null without one.</summary>
    internal string? Partner { get; init; }

    /// <summary>A program, with its arguments, that starts the interpreter, such as unshare -n.</summary>
    internal IReadOnlyList<string> Wrapper { get; init; } = [];

    /// <summary>Where in the test's folder the program finds go and leaves its answer, when it moves its root.</summary>
    internal string Folder { get; init; } = "";

    /// <summary>Whether any user may write to the test's folder.</summary>
    internal bool OpenFolder { get; init; }

    /// <summary>Whether the program is the last in a line of others, the first of which leads its session; they stay outside the tree.</summary>
    internal bool HasLeader { get; init; }

    /// <summary>What the caller says, for shapes that need consent.</summary>
    internal CheckpointOptions? Consent { get; init; }

    /// <summary>A part of the blocker's or option's text that must be there.</summary>
    internal string? Says { get; init; }

    /// <summary>Whether the program stands still, and must still do so when it is restored.</summary>
    internal bool IsStopped { get; init; }

    /// <summary>Why the shape cannot be made on this machine; null where it can.</summary>
    internal string? WhyNot { get; init; }

    public override string ToString() => Name;

    /// <summary>What every program begins with.</summary>
    internal const string Prelude = """
        import ctypes, errno, fcntl, mmap, os, resource, select, signal, socket, struct, sys, termios, threading, time
        libc = ctypes.CDLL(None, use_errno=True)
        BASE = os.getcwd() + "/"
        def ready():
            # Renamed when it is closed, so that the open descriptor is not part of what is examined.
            open(BASE + "ready.part", "w").close()
            os.rename(BASE + "ready.part", BASE + "ready")
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
        def child(body):
            pid = os.fork()
            if pid == 0:
                body()
                while True:
                    time.sleep(60)
            return pid

        """;
}
