using System.Text;

namespace PSCrac.Procfs;

/// <summary>What a process runs and where: /proc/PID/cmdline, exe and cwd (proc(5)).</summary>
internal sealed record ProcessCommandLine
{
    /// <summary>The pid.</summary>
    internal required int ProcessId { get; init; }

    /// <summary>
    /// The arguments, the program's own name first. A process may overwrite them. Empty for kernel threads and zombies.
    /// </summary>
    internal required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>
    /// The path of the program file, with " (deleted)" added by the kernel when it was unlinked. Null for kernel threads
    /// and zombies, and for another user's process without the privilege to trace it (ptrace(2)).
    /// </summary>
    internal string? ExecutablePath { get; init; }

    /// <summary>The working directory; null in the same cases as <see cref="ExecutablePath"/>.</summary>
    internal string? WorkingDirectory { get; init; }

    /// <summary>The name in /proc/PID/stat, at most 15 bytes.</summary>
    internal required string CommandName { get; init; }

    /// <summary>The command line as one line to show: arguments parted by blanks, or [name] where there are none, as ps(1) does.</summary>
    internal string Display => Arguments.Count > 0 ? string.Join(' ', Arguments) : $"[{CommandName}]";

    /// <summary>Reads what a process runs.</summary>
    /// <exception cref="CracException">No process has this pid (<see cref="CracReason.ProcessNotFound"/>).</exception>
    internal static ProcessCommandLine Read(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        return (directory is null ? null : TryRead(directory)) ?? throw ProcessTree.NotFound(processId);
    }

    /// <summary>Reads what an opened process runs; null when it is gone.</summary>
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

    /// <summary>Parts NUL-ended strings; a last one without a NUL counts.</summary>
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
