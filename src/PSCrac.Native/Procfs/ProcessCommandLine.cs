using System.Text;

namespace PSCrac.Procfs;

/// <summary>The command line of a process: /proc/PID/cmdline, exe and cwd (proc(5)).</summary>
internal sealed record ProcessCommandLine
{
    /// <summary>The pid.</summary>
    internal required int ProcessId { get; init; }

    /// <summary>
    /// The arguments, starting with the program's name. A process may overwrite them. Empty for kernel threads and zombies.
    /// </summary>
    internal required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>
    /// The path of the executable; the kernel appends " (deleted)" if it was unlinked. Null for kernel threads
    /// and zombies, and for another user's process without the privilege to trace it (ptrace(2)).
    /// </summary>
    internal string? ExecutablePath { get; init; }

    /// <summary>The working directory; null in the same cases as <see cref="ExecutablePath"/>.</summary>
    internal string? WorkingDirectory { get; init; }

    /// <summary>The name in /proc/PID/stat, at most 15 bytes.</summary>
    internal required string CommandName { get; init; }

    /// <summary>The command line for display: the arguments separated by spaces or, if there are none, [name], as in ps(1).</summary>
    internal string Display => Arguments.Count > 0 ? string.Join(' ', Arguments) : $"[{CommandName}]";

    /// <summary>Reads the command line of a process.</summary>
    /// <exception cref="CracException">No process has this pid (<see cref="CracReason.ProcessNotFound"/>).</exception>
    internal static ProcessCommandLine Read(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        return (directory is null ? null : TryRead(directory)) ?? throw ProcessTree.NotFound(processId);
    }

    /// <summary>Reads the command line of an opened process; null if it has ended.</summary>
    internal static ProcessCommandLine? TryRead(ProcessDirectory directory)
    {
        ProcessStatus? status = ProcessStatus.TryReadStat(directory);
        if (status is null)
        {
            return null;
        }

        IReadOnlyList<string> arguments = [];
        if (directory.TryRead("cmdline", out ProcText text))
        {
            using (text)
            {
                arguments = SplitAtNul(text.Bytes);
            }
        }

        return new ProcessCommandLine
        {
            ProcessId = directory.ProcessId,
            Arguments = arguments,
            ExecutablePath = directory.ReadLink("exe"),
            WorkingDirectory = directory.ReadLink("cwd"),
            CommandName = status.CommandName,
        };
    }

    /// <summary>Splits null-terminated strings; the last one need not be terminated.</summary>
    internal static List<string> SplitAtNul(ReadOnlySpan<byte> bytes)
    {
        var parts = new List<string>();
        while (!bytes.IsEmpty)
        {
            int end = bytes.IndexOf((byte)0);
            parts.Add(Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]));
            bytes = end < 0 ? default : bytes[(end + 1)..];
        }

        return parts;
    }
}
