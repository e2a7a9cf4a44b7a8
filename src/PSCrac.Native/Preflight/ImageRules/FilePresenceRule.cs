using PSCrac.Common;
using PSCrac.Images.Model;
using PSCrac.Interop;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// Whether the files that were open or mapped exist and are the same: criu compares size, mode and, for programs and libraries, the
/// build id (criu's files-reg.c).
/// </summary>
internal sealed class FilePresenceRule : ImageRule
{
    private const uint FileTypeMask = 0xf000;
    private const uint SymbolicLink = 0xa000;
    private const string WasReplaced = "The program or library was replaced since the checkpoint, and the memory in the image does not match the new one.";
    private const string WereReplaced = "They were replaced since the checkpoint, and the memory in the image does not match the new ones.";
    private const string InstallOne = "Install the version that was running, or make a new checkpoint.";
    private const string InstallAll = "Install the versions that were running, or make a new checkpoint.";

    private static readonly Func<IReadOnlyList<string>, string> s_replaceFiles = static paths =>
        $"Put the original files back, or use others, with an entry for each: -ReplaceFile @{{ '{paths[0]}' = 'NEW' }}";

    internal override void Examine(ImageSubject subject)
    {
        // With mounts in the image, its paths are not paths of this mount namespace.
        if (subject.HoldsNamespace("mnt"))
        {
            return;
        }

        var terminals = new HashSet<uint>();
        foreach (CracImageRecord file in subject.Image.OpenFiles.All)
        {
            if (OpenFileTable.KindOf(file) == CracFileKind.Terminal && OpenFileTable.GetKindEntry(file) is { } terminal)
            {
                terminals.Add((uint)terminal.GetNumber("regf_id"));
            }
        }

        foreach (CracImageRecord file in subject.Image.OpenFiles.All)
        {
            if (OpenFileTable.KindOf(file) != CracFileKind.Regular || OpenFileTable.GetKindEntry(file) is not { } own
                || own.GetFlag("ext") || terminals.Contains((uint)own.GetNumber("id")) || subject.Options.UnopenedFiles.Contains((uint)own.GetNumber("id")) || subject.Remaps.ContainsKey((uint)own.GetNumber("id")))
            {
                continue;
            }

            string path = ToAbsolutePath(own.GetText("name") ?? "");
            if (!subject.Options.ReplacedFiles.Contains(path) && !path.StartsWith("/proc/", StringComparison.Ordinal)
                && !path.Contains("/link_remap.", StringComparison.Ordinal))
            {
                Compare(subject, own, path);
            }
        }
    }

    /// <summary>Makes a path of the image absolute; criu leaves out the leading slash in some.</summary>
    internal static string ToAbsolutePath(string path) => path.StartsWith('/') ? path : "/" + path;

    private static void Compare(ImageSubject subject, CracImageRecord own, string path)
    {
        // A symbolic link that was itself open (O_PATH) is compared itself.
        bool isLink = ((uint)own.GetNumber("mode") & FileTypeMask) == SymbolicLink;
        if (!FileStatus.TryRead(path, isLink ? LibC.AT_SYMLINK_NOFOLLOW : 0, out FileStatus status, out Errno error))
        {
            if (error == Errno.ENOENT && subject.Image.Manifest is { KeptFiles: { Count: > 0 } kept } && kept.Any(file => file.Path == path))
            {
                subject.Note(null, path, CracReason.FileMissing, "It does not exist, and the restore creates it with the content that the image holds.");
                return;
            }

            BlockMissing(subject, path, isDenied: error is Errno.EACCES or Errno.EPERM);
            return;
        }

        if (own.ContainsKey("mode") && ((uint)own.GetNumber("mode") & FileTypeMask) != ((uint)status.Mode & FileTypeMask))
        {
            subject.Block(
                null,
                $"{path}: another kind of file",
                CracReason.FileChanged,
                $"It was {Describe((uint)own.GetNumber("mode"))} at the checkpoint, and is now {Describe((uint)status.Mode)}.",
                $"Put the original file back, or use another one: -ReplaceFile @{{ '{path}' = 'NEW' }}",
                new("files of another kind", path, $"{Describe((uint)status.Mode)}, was {Describe((uint)own.GetNumber("mode"))}")
                {
                    Why = "Their paths now lead to files of another kind.",
                    Action = s_replaceFiles,
                });
        }
        else if (own.ContainsKey("size") && status.SizeBytes != (long)own.GetNumber("size"))
        {
            CompareSize(subject, own, path, status.SizeBytes);
        }
        else if (own.ContainsKey("mode") && !IsSameMode(subject, (int)own.GetNumber("mode"), status.Mode))
        {
            subject.Block(
                null,
                $"{path}: mode {Convert.ToString(status.Mode & 0xfff, 8)}, was {Convert.ToString((int)own.GetNumber("mode") & 0xfff, 8)}",
                CracReason.FileChanged,
                "The file's permissions have changed since the checkpoint.",
                $"chmod {Convert.ToString((int)own.GetNumber("mode") & 0xfff, 8)} {path}, or give -CriuOption @{{ 'skip-file-rwx-check' = $true }}",
                new("files with other permissions", path, $"{Convert.ToString(status.Mode & 0xfff, 8)}, was {Convert.ToString((int)own.GetNumber("mode") & 0xfff, 8)}")
                {
                    Argument = $"chmod {Convert.ToString((int)own.GetNumber("mode") & 0xfff, 8)} {path}",
                    Why = "Their permissions have changed since the checkpoint.",
                    Action = static commands => $"{string.Join("; ", commands)}; or give -CriuOption @{{ 'skip-file-rwx-check' = $true }}",
                });
        }
        else if (own.GetItems("build_id") is { Length: > 0 } expected && ElfBuildId.TryRead(path) is { } actual && !ElfBuildId.IsSame(expected, actual))
        {
            subject.Block(
                null,
                $"{path}: another build",
                CracReason.FileChanged,
                WasReplaced,
                InstallOne,
                new("programs and libraries of another build", path) { Why = WereReplaced, Action = static _ => InstallAll });
        }
    }

    private static void BlockMissing(ImageSubject subject, string path, bool isDenied)
    {
        subject.Block(
            null,
            path,
            isDenied ? CracReason.PermissionDenied : CracReason.FileMissing,
            isDenied
                ? "The process had it open or mapped, and this user may not access it."
                : "The process had it open or mapped, and it does not exist.",
            $"Put it back, or use another file: -ReplaceFile @{{ '{path}' = 'NEW' }}",
            new(isDenied ? "files that this user may not access" : "missing files", path)
            {
                Why = isDenied
                    ? "The process had them open or mapped, and this user may not access them."
                    : "The process had them open or mapped, and they do not exist.",
                Action = s_replaceFiles,
            });
    }

    private static void CompareSize(ImageSubject subject, CracImageRecord own, string path, long size)
    {
        long expected = (long)own.GetNumber("size");
        bool isMapped = IsMapped(subject, (uint)own.GetNumber("id"));
        bool canReopen = size > expected && !isMapped;
        if (isMapped && own.GetItems("build_id") is { Length: > 0 })
        {
            subject.Block(
                null,
                $"{path}: another build, {size} bytes, was {expected}",
                CracReason.FileChanged,
                WasReplaced,
                InstallOne,
                new("programs and libraries of another build", path, $"{size} bytes, was {expected}") { Why = WereReplaced, Action = static _ => InstallAll });
            return;
        }

        var cause = new FindingCause($"files that {(size > expected ? "have grown" : "are shorter")}", path, $"{size} bytes, was {expected}");
        if (canReopen && subject.Options.ReopenGrownFile)
        {
            subject.Note(null, $"{path}: {size} bytes, was {expected}", CracReason.FileChanged, "It has grown, and is opened anyway.",
                cause: cause with { Why = "They have grown, and are opened anyway." });
            return;
        }

        subject.Block(
            null,
            $"{path}: {size} bytes, was {expected}",
            CracReason.FileChanged,
            size > expected ? "The file has grown since the checkpoint." : "The file is shorter than at the checkpoint.",
            canReopen
                ? "Give -ReopenGrownFile; the program then continues at the current end."
                : $"Put the original file back, or use another one: -ReplaceFile @{{ '{path}' = 'NEW' }}",
            cause with
            {
                Things = canReopen ? cause.Things : size > expected ? "mapped files that have grown" : cause.Things,
                Why = size > expected ? "They have grown since the checkpoint." : "They are shorter than at the checkpoint.",
                Action = canReopen ? static _ => "Give -ReopenGrownFile; the program then continues at the current ends." : s_replaceFiles,
            });
    }

    // The image refers to mapped pages by their offset in the file, so a changed file would not match.
    private static bool IsMapped(ImageSubject subject, uint id)
    {
        foreach (CracImageProcess process in subject.Image.Processes)
        {
            foreach (CracImageFile file in process.Files)
            {
                if (file.Role == CracFileRole.Executable && (uint)file.Id == id)
                {
                    return true;
                }
            }

            foreach (CracImageMemoryArea area in process.MemoryAreas)
            {
                if (area.Path.Length > 0 && area.Path == subject.Image.OpenFiles.PathOf(id))
                {
                    return true;
                }
            }
        }

        return false;
    }

    // The kernel's S_IF numbers (inode(7)).
    private static string Describe(uint mode) => (mode & FileTypeMask) switch
    {
        0x1000 => "a fifo",
        0x2000 or 0x6000 => "a device",
        0x4000 => "a folder",
        0x8000 => "a file",
        SymbolicLink => "a symbolic link",
        0xc000 => "a socket",
        _ => "something else",
    };

    private static bool IsSameMode(ImageSubject subject, int expected, int actual)
    {
        const int Permissions = 0x1ff;
        return subject.HasOption("skip-file-rwx-check")
            ? (expected & ~Permissions) == (actual & ~Permissions)
            : expected == actual;
    }
}
