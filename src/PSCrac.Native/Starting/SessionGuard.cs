using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Starting;

/// <summary>
/// Ends a program with all its descendants if this process ends, in whatever way, before it has let go of the program.
/// The kernel's own way (PR_SET_PDEATHSIG) is bound to a thread of ours and cannot be taken back. So a shell waits for
/// the end of a socket: it is there in a millisecond, where another .NET would take fifty.
/// </summary>
internal sealed class SessionGuard : IDisposable
{
    private const string Shell = "/bin/sh";
    private const int LowestSource = 10;

    // Each is stopped before its children are looked for, so that none appears meanwhile. A line that comes is the release.
    private const string Script = """
        end() { kill -STOP "$1"; for child in $(cat "/proc/$1/task/"*/children); do end "$child"; done; kill -KILL "$1"; }
        read -r id && { read -r released || end "$id"; }
        """;

    private readonly SafeFileHandle _control;
    private readonly SafeFileHandle _pidFd;
    private readonly Lock _releasing = new();
    private bool _isReleased;

    private SessionGuard(SafeFileHandle control, SafeFileHandle pidFd)
    {
        _control = control;
        _pidFd = pidFd;
    }

    /// <summary>Starts the guard, which does nothing yet.</summary>
    /// <returns>The guard; null where there is no shell to be it.</returns>
    internal static SessionGuard? TryStart()
    {
        if (LibC.CreateStreamPair(out SafeFileHandle ours, out SafeFileHandle theirs) != 0)
        {
            return null;
        }

        using SafeFileHandle nothing = LibC.OpenAt(null, "/dev/null", LibC.O_WRONLY, out _);
        using SafeFileHandle input = LibC.Duplicate(theirs, LowestSource, out _);
        using SafeFileHandle output = LibC.Duplicate(nothing, LowestSource, out _);
        theirs.Dispose();

        // A session of its own keeps a terminal's Ctrl+C and hang-up from it.
        int errno = LibC.Spawn(
            Shell, ["pscrac-guard", "-c", Script], [$"PATH={Environment.GetEnvironmentVariable("PATH")}"], [(input, 0), (output, 1), (output, 2)],
            blockedSignals: [], defaultSignals: LibC.NamedSignals, out int pid, ownSession: true, workingDirectory: "/", closed: LibC.OwnDescriptors());
        SafeFileHandle? pidFd = errno == 0 ? LibC.OpenPidFd(pid, out errno) : null;
        if (errno == 0)
        {
            return new SessionGuard(ours, pidFd!);
        }

        pidFd?.Dispose();
        ours.Dispose();
        return null;
    }

    /// <summary>Names the program, once.</summary>
    internal void Watch(int processId) =>
        LibC.Send(_control, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{processId}\n")));

    /// <summary>Lets go of the program, which from now on outlives this process, and ends the guard.</summary>
    public void Dispose()
    {
        lock (_releasing)
        {
            if (_isReleased)
            {
                return;
            }

            _isReleased = true;
            LibC.Send(_control, "released\n"u8);
            _control.Dispose();
            LibC.Reap(_pidFd, out _, out _);
            _pidFd.Dispose();
        }
    }
}
