using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Files in folders that are emptied by a reboot, by systemd-tmpfiles or at the end of a job.</summary>
internal sealed class StaleTemporaryFileRule : PreflightRule
{
    private static readonly string[] s_folders = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/", "/var/run/"];

    internal override void Examine(PreflightSubject subject)
    {
        // A child inherits its parent's files; each path is reported once.
        var reported = new HashSet<string>(StringComparer.Ordinal);
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            var paths = new SortedSet<string>(StringComparer.Ordinal);
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor is { IsUnlinked: false, Kind: DescriptorKind.RegularFile or DescriptorKind.Directory or DescriptorKind.Fifo } && IsTemporary(descriptor.Target))
                {
                    paths.Add(descriptor.Target);
                }
            }

            foreach (MemoryArea area in member.Areas)
            {
                if (area is { Kind: MemoryAreaKind.File, IsUnlinked: false } && IsTemporary(area.Path))
                {
                    paths.Add(area.Path);
                }
            }

            if (member.CommandLine.WorkingDirectory is { } folder && IsTemporary(folder + "/") && !folder.EndsWith(" (deleted)", StringComparison.Ordinal))
            {
                paths.Add(folder);
            }

            paths.ExceptWith(reported);
            reported.UnionWith(paths);
            foreach (string path in paths)
            {
                subject.Warn(
                    member.ProcessId,
                    $"temporary file {path}",
                    CracReason.FileMissing,
                    "It must exist at the restore, with the same size, and such folders are emptied at a reboot or by the age of their files.",
                    "Restore before that happens, or let the program keep its files elsewhere.",
                    new("temporary files", path)
                    {
                        Why = "They must exist at the restore, with the same sizes, and such folders are emptied at a reboot or by the age of their files.",
                    });
            }
        }
    }

    private static bool IsTemporary(string path)
    {
        foreach (string folder in s_folders)
        {
            if (path.StartsWith(folder, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
