using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Files that may grow between checkpoint and restore. A restore checks the size of every open file, except those opened for
/// appending only (criu's files-reg.c).
/// </summary>
internal sealed class StaleLogRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        var seen = new HashSet<(DeviceNumber, ulong)>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor is not { Kind: DescriptorKind.RegularFile, IsUnlinked: false, IsPathOnly: false }
                    || (descriptor.IsAppending && !descriptor.CanRead)
                    || !seen.Add((descriptor.Status.Device, descriptor.Status.Inode)))
                {
                    continue;
                }

                bool looksLikeLog = descriptor.Target.EndsWith(".log", StringComparison.Ordinal)
                    || descriptor.Target.StartsWith("/var/log/", StringComparison.Ordinal);
                if (looksLikeLog || (subject.Options.LeaveRunning && descriptor.CanWrite))
                {
                    bool isWritten = subject.Options.LeaveRunning && descriptor.CanWrite;
                    subject.Warn(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: {descriptor.Target}, {descriptor.Status.SizeBytes} bytes",
                        CracReason.FileChanged,
                        isWritten
                            ? "The process continues to write to it, and the restore fails if its size has changed."
                            : "It looks like a log. The restore fails if its size has changed, for example because another program wrote to it or it was rotated.",
                        "Restore with -ReopenGrownFile, or let the program open its logs for appending only.",
                        new(isWritten ? "files that are written to" : "files that look like logs", descriptor.Target, $"descriptor {descriptor.Number}")
                        {
                            Why = isWritten
                                ? "The process continues to write to them, and the restore fails if their sizes have changed."
                                : "The restore fails if their sizes have changed, for example because another program wrote to them or they were rotated.",
                        });
                }
            }
        }
    }
}
