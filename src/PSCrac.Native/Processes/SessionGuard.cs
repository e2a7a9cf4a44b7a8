using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>
/// Ends processes with all their descendants if this process ends, for any reason, before the guard is disposed: a
/// started program, or a criu during a restore with its children.
/// The kernel's PR_SET_PDEATHSIG depends on the parent's thread and cannot be revoked by the parent. Instead a shell waits for
/// the end of a socket: it starts in a millisecond, a .NET process would take fifty.
/// </summary>
internal sealed class SessionGuard : IDisposable
{
    private const string Shell = "/bin/sh";
    private const int LowestSource = 10;

    // Each process is stopped before its children are listed, so that it cannot create more. The last line that was received
    // applies: pids, each with a minimum start time (field 22 of stat, proc(5); the name before it may contain spaces).
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

    /// <summary>Starts the guard without processes.</summary>
    /// <returns>The guard; null if there is no shell.</returns>
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

        // A new session, so that Ctrl+C and hang-up of the terminal do not end the guard.
        Errno errno = LibC.Spawn(
            Shell, ["pscrac-guard", "-c", Script], [$"PATH={FileTrust.SearchPath()}"], [(input, 0), (output, 1), (output, 2)],
            blockedSignals: [], defaultSignals: LibC.StandardSignals, out int pid, newSession: true, workingDirectory: "/", closed: LibC.ListDescriptors());
        SafeFileHandle? pidFd = errno == 0 ? LibC.OpenPidFd(pid, out errno) : null;
        if (errno == 0)
        {
            return new SessionGuard(ours, pidFd!);
        }

        pidFd?.Dispose();
        ours.Dispose();
        return null;
    }

    /// <summary>Sets the processes to end, in place of the previous ones.</summary>
    /// <param name="processes">The processes. For a process that does not exist yet, give its earliest start time: an older process with this pid is not killed.</param>
    internal void Watch(params ReadOnlySpan<ProcessIdentity> processes)
    {
        var line = new StringBuilder();
        foreach (ProcessIdentity process in processes)
        {
            line.Append(CultureInfo.InvariantCulture, $"{process.ProcessId}:{process.StartTimeTicks} ");
        }

        LibC.Send(_control, Encoding.ASCII.GetBytes(line.Append('\n').ToString()));
    }

    /// <summary>Sets one process by its current pid.</summary>
    internal void Watch(int processId) => Watch(ProcessIdentity.TryRead(processId) ?? new ProcessIdentity(processId, 0));

    /// <summary>Releases the processes, which then outlive this process, and ends the guard.</summary>
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
