using System.Globalization;
using PSCrac.Common;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Files that are in use but no longer have the name that they were opened by. One with no name left ("ghost") is saved in the
/// image, up to a limit; one with another name needs a helper link (criu's files-reg.c).
/// </summary>
internal sealed class UnlinkedFileRule : PreflightRule
{
    private const long DefaultGhostLimit = 1L << 20; // DEFAULT_GHOST_LIMIT in criu's cr_options.h
    private const long MaximumGhostLimit = uint.MaxValue; // the range of libcriu and criu's request

    internal override void Examine(PreflightSubject subject)
    {
        var seen = new HashSet<(DeviceNumber, ulong)>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor.IsUnlinked && descriptor.HasPath && descriptor.Kind is not (DescriptorKind.Terminal or DescriptorKind.TerminalMaster)
                    && subject.FindMount(descriptor.MountId)?.Mount.FileSystem is not ("proc" or "devpts")
                    && seen.Add((descriptor.Status.Device, descriptor.Status.Inode)))
                {
                    if (!IsOfLowerLayer(subject, descriptor.Status, descriptor.CanWrite, $"/proc/{member.ProcessId}/fd/{descriptor.Number}"))
                    {
                        Report(subject, member, $"descriptor {descriptor.Number}", descriptor.Target, descriptor.Status);
                    }
                    else
                    {
                        ReportLowerLayer(subject, member, $"descriptor {descriptor.Number}", descriptor.Target);
                    }
                }
                else if (IsSillyRenamed(subject, descriptor) && seen.Add((descriptor.Status.Device, descriptor.Status.Inode)))
                {
                    ReportLink(subject, member, $"descriptor {descriptor.Number}", descriptor.Target);
                }
            }

            foreach (MemoryArea area in member.Areas)
            {
                if (area is { IsUnlinked: true, Kind: MemoryAreaKind.File })
                {
                    FileStatus status = StatusOf(member, area);
                    if (!seen.Add((status.Device, status.Inode)))
                    {
                        continue;
                    }

                    if (!IsOfLowerLayer(subject, status, canWrite: false, $"/proc/{member.ProcessId}/map_files/{area.Start:x}-{area.End:x}"))
                    {
                        Report(subject, member, $"memory at {area.Start:x}", area.Path, status);
                    }
                    else
                    {
                        ReportLowerLayer(subject, member, $"memory at {area.Start:x}", area.Path);
                    }
                }
            }
        }
    }

    // An open for writing copies the file to the upper layer.
    private static bool IsOfLowerLayer(PreflightSubject subject, in FileStatus status, bool canWrite, string link) =>
        status.LinkCount > 0 && !canWrite && subject.FindMount(status.MountId)?.Mount.FileSystem == "overlay" && OverlayFile.ComesFromLowerLayer(link) == true;

    private static void ReportLowerLayer(PreflightSubject subject, ProcessSnapshot member, string where, string path) => subject.Block(
        member.ProcessId,
        $"{where}: {path}, which was unlinked or replaced on an overlay",
        CracReason.FileUnlinked,
        "The file is still in a lower layer of the overlay, so CRIU does not save its content; and a new link to it cannot be created.",
        "Restart the program, so that it opens the present file; or put the original file back at its path and restart it.",
        new("files of an overlay's lower layer that were unlinked or replaced", path, where)
        {
            Why = "The files are still in a lower layer of the overlay, so CRIU does not save their content; and new links to them cannot be created.",
            Action = static _ => "Restart the program, so that it opens the present files.",
        });

    /// <summary>An NFS client renames a file that is removed while it is open, and removes it when it is closed.</summary>
    private static bool IsSillyRenamed(PreflightSubject subject, ProcessDescriptor descriptor) =>
        descriptor.Kind == DescriptorKind.RegularFile
        && Path.GetFileName(descriptor.Target).StartsWith(".nfs", StringComparison.Ordinal)
        && subject.FindMount(descriptor.MountId)?.Mount.FileSystem is "nfs" or "nfs4";

    /// <summary>The status of a mapped file; if it may not be read, that of an unnamed file of the area's length.</summary>
    private static FileStatus StatusOf(ProcessSnapshot member, MemoryArea area) =>
        FileStatus.TryRead($"/proc/{member.ProcessId}/map_files/{area.Start:x}-{area.End:x}", flags: 0, out FileStatus status, out _)
            ? status
            : new FileStatus(area.Device, area.Inode, (int)FileType.Regular, 0, 0, 0, area.LengthBytes, area.LengthBytes, default, 0);

    private static void Report(PreflightSubject subject, ProcessSnapshot member, string where, string path, in FileStatus status)
    {
        if (status.LinkCount > 0)
        {
            ReportLink(subject, member, where, path);
            return;
        }

        long limit = subject.Options.GhostLimit ?? DefaultGhostLimit;
        string size = FormatSize(status.AllocatedBytes);
        if (status.Type != FileType.Regular || status.AllocatedBytes <= limit)
        {
            string kind = status.Type == FileType.Directory ? "removed folder" : "unlinked file";
            subject.Note(
                member.ProcessId,
                $"{where}: {kind} {path}",
                CracReason.FileUnlinked,
                "It has no name any more, so it is saved in the image and recreated by the restore.",
                cause: new(status.Type == FileType.Directory ? "removed folders" : "unlinked files", path, where)
                {
                    Key = (status.Device, status.Inode),
                    Why = "They have no name any more, so they are saved in the image and recreated by the restore.",
                });
            return;
        }

        string what = $"{where}: unlinked file {path}, {size}";
        var cause = new FindingCause("unlinked files", $"{path}, {size}", where) { Key = (status.Device, status.Inode) };
        if (status.AllocatedBytes > MaximumGhostLimit)
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.FileUnlinked,
                "A file without a name must be saved in the image, and CRIU saves none of 4 GiB or more.",
                "The program would have to close it, or give it a name again.",
                cause with { Action = static _ => "The program would have to close them, or give them names again." });
            return;
        }

        // The file may grow until the process is stopped.
        long limitWithMargin = Math.Min(status.AllocatedBytes + Math.Max(status.AllocatedBytes / 4, 16L << 20), MaximumGhostLimit);
        subject.Offer(
            member.ProcessId,
            what,
            CracReason.FileUnlinked,
            $"A file without a name must be saved in the image, and CRIU saves none larger than {FormatSize(limit)} unless it is told to.",
            RecommendLimit(limitWithMargin),
            new OptionOffer(OptionTable.GhostLimit, limitWithMargin.ToString(CultureInfo.InvariantCulture)) { IsInsufficient = subject.Options.GhostLimit is not null },
            cause with
            {
                Argument = limitWithMargin.ToString(CultureInfo.InvariantCulture),
                Action = static limits => RecommendLimit(limits.Max(static each => long.Parse(each, CultureInfo.InvariantCulture))),
            });
    }

    private static string RecommendLimit(long limit) => $"Give -GhostLimit {FormatSize(limit).Replace(" ", "", StringComparison.Ordinal)}.";

    private static void ReportLink(PreflightSubject subject, ProcessSnapshot member, string where, string path)
    {
        string what = $"{where}: {path}, which was unlinked and has another name";
        var cause = new FindingCause("files that were unlinked and have other names", path, where);
        if (subject.Options.LeaveRunning)
        {
            const string Why = "CRIU can create a helper link for the file, but removes it when the process keeps running: the image could never be restored.";
            if (subject.Options.LinkRemap == true)
            {
                subject.Warn(member.ProcessId, what, CracReason.FileUnlinked, Why, "Checkpoint without -LeaveRunning.", cause);
            }
            else
            {
                subject.Block(member.ProcessId, what, CracReason.FileUnlinked, Why, "Checkpoint without -LeaveRunning, or let the program close the file.", cause);
            }

            return;
        }

        ReportLeftoverLinks(subject, member, path);
        subject.Offer(
            member.ProcessId,
            what,
            CracReason.FileUnlinked,
            "The file needs a helper link in its folder until the restore, which removes it: the image can be restored only once.",
            "Give -LinkRemap, or let the program close the file.",
            new OptionOffer(OptionTable.LinkRemap),
            cause with
            {
                Why = "The files need helper links in their folders until the restore, which removes them: the image can be restored only once.",
                Action = static _ => "Give -LinkRemap, or let the program close the files.",
            });
    }

    // criu counts the names of its helper links from a small number in each dump, and fails where one exists already. An image made
    // by this engine has links with large numbers.
    private static void ReportLeftoverLinks(PreflightSubject subject, ProcessSnapshot member, string path)
    {
        const string Prefix = "link_remap.";
        const string Suffix = " (deleted)";
        const int MaximumDigits = 6;
        string? folder = Path.GetDirectoryName(path.EndsWith(Suffix, StringComparison.Ordinal) ? path[..^Suffix.Length] : path);
        string root = subject.Tree.RootOf(member);
        if (folder is null || !Directory.Exists(root + folder))
        {
            return;
        }

        foreach (string each in Directory.EnumerateFiles(root + folder, Prefix + "*").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(each);
            string link = Path.Combine(folder, name);
            if (name.Length > Prefix.Length + MaximumDigits || name.AsSpan(Prefix.Length).ContainsAnyExceptInRange('0', '9')
                || !FileStatus.TryRead(root + link, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus status, out _)
                || subject.Findings.Exists(finding => finding.Severity == CracFindingSeverity.Warning && finding.What.StartsWith(link + ",", StringComparison.Ordinal)))
            {
                continue;
            }

            subject.Warn(
                null,
                $"{link}, a helper link of another checkpoint by criu, of user {status.UserId}",
                CracReason.FileUnlinked,
                "CRIU fails if it chooses the same name for its own link.",
                $"Restore the image that it belongs to; if there is none any more, Remove-Item '{link}'.",
                new("helper links of other checkpoints by criu", link) { Why = "CRIU fails if it chooses the same name for its own link.", Action = static _ => "Restore the images that they belong to; remove those that belong to none." });
        }
    }

    private static string FormatSize(long bytes) => bytes >= 1L << 20
        ? $"{(bytes + (1L << 20) - 1) >> 20} MB"
        : $"{(bytes + 1023) >> 10} KB";
}
