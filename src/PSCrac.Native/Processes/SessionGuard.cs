using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>
/// Ends processes with all their descendants if this process ends, for any reason, before the guard is disposed: a
/// started program, a criu during a restore with its children, or the scripts that a criu waits for during a checkpoint. Lets processes
/// continue that this process has stopped; or, of a tree that is being killed, ends what is left of it, if some of it was killed already.
/// The kernel's PR_SET_PDEATHSIG depends on the parent's thread and cannot be revoked by the parent. Instead a shell waits for
/// the end of a socket: it starts in a millisecond, a .NET process would take fifty.
/// </summary>
internal sealed class SessionGuard : IDisposable
{
    private const string Shell = "/bin/sh";
    private const int LowestSource = 10;

    // Each process is stopped before its children are listed, so that it cannot create more. The last line that was received
    // applies: actions with pids, each with a minimum start time (field 22 of stat, proc(5); the name before it may contain spaces).
    // A group keeps its id, which then no new process gets, after its first process has ended (field 5). A first thread that has ended
    // looks like a zombie while others run (field 20).
    private const string Script = """
        children() { cat "/proc/$1/task/"*/children; }
        end() { kill -STOP "$1"; for child in $(children "$1"); do end "$child"; done; kill -KILL "$1"; }
        end_group() { kill -s KILL -- "-$1"; }
        is_since() { stat=$(cat "/proc/$1/stat") && set -- "$1" "$2" ${stat##*) } && [ "${22}" -ge "$2" ] && state=$3 group=$5; }
        is_gone() { [ ! -e "/proc/$1" ]; }
        all() { if is_since "$1" "$2"; then end "$1"; [ "$group" != "$1" ] || end_group "$1"; elif is_gone "$1"; then end_group "$1"; fi; }
        resume() { ! is_since "$1" "$2" || kill -CONT "$1"; }
        is_same() { stat=$(cat "/proc/$1/stat") && set -- "$1" "$2" ${stat##*) } && [ "${22}" = "$2" ] && state=$3 threads=${20}; }
        tracer() { while is_same "$1" "$2" && [ "$state" != Z ]; do sleep .02 || sleep 1; done; }
        settle() {
            tries=500
            while is_same "$1" "$2"; do
                case $state$threads in T*) return ;; Z0|Z1|X*) break ;; esac
                [ $((tries -= 1)) -gt 0 ] || return
                sleep .01
            done
            lost=yes
        }
        kill_lost() { [ ! "$lost" ] || ! is_same "$1" "$2" || kill -KILL "$1"; }
        resume_whole() { [ "$lost" ] || ! is_same "$1" "$2" || kill -CONT "$1"; }
        programs() {
            while is_since "$1" "$2" && [ "$state" != Z ]; do
                sleep 1
                for child in $(children "$1"); do [ "/proc/$child/exe" -ef "/proc/$1/exe" ] || end "$child"; done
            done
            ! is_gone "$1" || end_group "$1"
        }
        watched= lost=
        while read -r line; do [ "$line" = released ] && exit; watched=$line; done
        IFS=': '
        set -- $watched
        unset IFS
        while [ $# -ge 3 ]; do "$1" "$2" "$3"; shift 3; done
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
    internal void Watch(params ReadOnlySpan<ProcessIdentity> processes) => Send("all", processes);

    /// <summary>Sets one process by its current pid.</summary>
    internal void Watch(int processId) => Watch(ProcessIdentity.TryRead(processId) ?? new ProcessIdentity(processId, 0));

    /// <summary>
    /// Sets a process, in place of the previous ones, that ends by itself when this process ends, but only when the programs that it
    /// has started have ended: these are ended, if they take longer than a second.
    /// </summary>
    internal void WatchPrograms(ProcessIdentity process) => Send("programs", process);

    /// <summary>Sets processes that continue when this process ends, in place of the previous ones.</summary>
    internal void WatchStopped(params ReadOnlySpan<ProcessIdentity> processes) => Send("resume", processes);

    /// <summary>
    /// Sets stopped processes that a tracer is about to kill, in place of the previous ones. When this process has ended, and the tracer too,
    /// they continue if all of them are left, and are killed if not.
    /// </summary>
    /// <param name="tracer">The tracer, which ends by itself when this process ends.</param>
    /// <param name="all">All that it kills.</param>
    /// <param name="running">Those that continue; the others stay stopped.</param>
    internal void WatchKilled(ProcessIdentity tracer, ReadOnlySpan<ProcessIdentity> all, ReadOnlySpan<ProcessIdentity> running)
    {
        var line = new StringBuilder();
        Append(line, "tracer", tracer);
        Append(line, "settle", all);
        Append(line, "kill_lost", all);
        Append(line, "resume_whole", running);
        Send(line);
    }

    private static void Append(StringBuilder line, string action, params ReadOnlySpan<ProcessIdentity> processes)
    {
        foreach (ProcessIdentity process in processes)
        {
            line.Append(CultureInfo.InvariantCulture, $"{action}:{process.ProcessId}:{process.StartTimeTicks} ");
        }
    }

    private void Send(string action, params ReadOnlySpan<ProcessIdentity> processes)
    {
        var line = new StringBuilder();
        Append(line, action, processes);
        Send(line);
    }

    private void Send(StringBuilder line) => LibC.Send(_control, Encoding.ASCII.GetBytes(line.Append('\n').ToString()));

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
