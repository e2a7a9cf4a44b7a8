using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Starting.Services;

/// <summary>A command of a description, which says whether the program is ready or warms it up.</summary>
/// <param name="command">The program and its arguments.</param>
/// <param name="request">The start, for its working directory and its environment.</param>
internal sealed class ServiceCommand(IReadOnlyList<string> command, StartRequest request)
{
    private const int MinimumSourceDescriptor = 10;
    private const int StandardError = 2;

    /// <summary>The command line, for messages.</summary>
    internal string Text { get; } = string.Join(' ', command);

    /// <summary>Runs the command, with its output on this process's standard error. It is killed where it takes too long.</summary>
    /// <param name="limit">The longest time.</param>
    /// <returns>The exit code, 128 and the signal's number where a signal ended it; null where it took too long.</returns>
    /// <exception cref="CracException"><see cref="CracReason.ProgramNotStarted"/>.</exception>
    internal int? Run(TimeSpan limit)
    {
        string path = ProgramPath.Find(command[0]);
        using SafeFileHandle nothing = LibC.Open("/dev/null", LibC.O_RDWR, out _);
        using SafeFileHandle input = LibC.Duplicate(nothing, MinimumSourceDescriptor, out _);
        using var error = new SafeFileHandle(StandardError, ownsHandle: false);
        using SafeFileHandle output = LibC.Duplicate(error, MinimumSourceDescriptor, out Errno closed);
        SafeFileHandle written = closed == 0 ? output : input;
        Errno errno = LibC.Spawn(
            path, command, Launcher.ComposeEnvironment(request), [(input, 0), (written, 1), (written, 2)], blockedSignals: [], defaultSignals: LibC.StandardSignals,
            out int pid, newSession: true, request.WorkingDirectory, closed: LibC.ListDescriptors());
        return errno == 0 ? WaitForExit(pid, limit) : throw PidNamespaces.NamespaceProgram.NotStarted(command[0], errno);
    }

    private static int? WaitForExit(int pid, TimeSpan limit)
    {
        using SafeFileHandle pidFd = LibC.OpenPidFd(pid, out _);
        bool hasEnded = LibC.WaitReadable(pidFd, (int)Math.Clamp(limit.TotalMilliseconds, 1, int.MaxValue));
        if (!hasEnded)
        {
            // All that it has started is in its group.
            LibC.Kill(-pid, LibC.SIGKILL);
        }

        LibC.Reap(pidFd, out int code, out bool exited);
        return !hasEnded ? null : exited ? code : 128 + code;
    }
}
