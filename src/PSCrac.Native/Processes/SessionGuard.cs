using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>
/// Ends processes with all their descendants if this process ends, in whatever way, before it has let go of them: a
/// program that was started, or a criu in the middle of a restore with what it has made.
/// The kernel's own way (PR_SET_PDEATHSIG) is bound to a thread of ours and cannot be taken back. So a shell waits for
/// the end of a socket: it is there in a millisecond, where another .NET would take fifty.
/// </summary>
internal sealed class SessionGuard : IDisposable
{
    private const string Shell = "/bin/sh";
    private const int LowestSource = 10;

    // Each is stopped before its children are looked for, so that none appears meanwhile. Of the lines that come, the last
    // counts: pids, each with the least start time (field 22 of stat, proc(5); the name before may hold blanks).
    private const string Script = """
        end() { kill -STOP "$1"; for child in $(cat "/proc/$1/task/"*/children); do end "$child"; done; kill -KILL "$1"; }
        end_since() { stat=$(cat "/proc/$1/stat") && set -- "$1" "$2" ${stat##*) } && [ "${22}" -ge "$2" ] && end "$1"; }
        watched=
        while read -r line; do [ "$line" = released ] && exit; watched=$line; done
        for each in $watched; do end_since "${each%:*}" "${each#*:}"; done
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

        using SafeFileHandle nothing = LibC.Open("/dev/null", LibC.O_WRONLY, out _);
        using SafeFileHandle input = LibC.Duplicate(theirs, LowestSource, out _);
        using SafeFileHandle output = LibC.Duplicate(nothing, LowestSource, out _);
        theirs.Dispose();

        // A session of its own keeps a terminal's Ctrl+C and hang-up from it.
        Errno errno = LibC.Spawn(
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

    /// <summary>Names what it is to end, in the place of what was named before.</summary>
    /// <param name="processes">The processes. One that is not there yet is named with the earliest time at which it can start: an older one is spared.</param>
    internal void Watch(params ReadOnlySpan<ProcessIdentity> processes)
    {
        var line = new StringBuilder();
        foreach (ProcessIdentity process in processes)
        {
            line.Append(CultureInfo.InvariantCulture, $"{process.ProcessId}:{process.StartTimeTicks} ");
        }

        LibC.Send(_control, Encoding.ASCII.GetBytes(line.Append('\n').ToString()));
    }

    /// <summary>Names one process, by the pid that it has now.</summary>
    internal void Watch(int processId) => Watch(ProcessIdentity.TryRead(processId) ?? new ProcessIdentity(processId, 0));

    /// <summary>Lets go of what it watches, which from now on outlives this process, and ends the guard.</summary>
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
