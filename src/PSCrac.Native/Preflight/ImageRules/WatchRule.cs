using PSCrac.Images.Model;
using PSCrac.Interop;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// Whether the files and folders that inotify and fanotify watch exist. criu opens them by their paths, without further checks;
/// those without a path in the image it opens by a file handle (criu's fsnotify.c, get_mark_path()).
/// </summary>
internal sealed class WatchRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        // With mounts in the image, its paths are not paths of this mount namespace.
        if (subject.HoldsNamespace("mnt"))
        {
            return;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (CracImageRecord file in subject.Image.OpenFiles.All)
        {
            string? marks = OpenFileTable.KindOf(file) switch { CracFileKind.Inotify => "wd", CracFileKind.Fanotify => "mark", _ => null };
            if (marks is null || OpenFileTable.GetKindEntry(file) is not { } own || subject.Options.UnopenedFiles.Contains((uint)own.GetNumber("id")))
            {
                continue;
            }

            foreach (object each in own.GetItems(marks))
            {
                if (each is CracImageRecord mark && PathOf(mark) is { Length: > 0 } path && seen.Add(FilePresenceRule.ToAbsolutePath(path)))
                {
                    Require(subject, FilePresenceRule.ToAbsolutePath(path));
                }
            }
        }
    }

    // An inotify watch has its handle directly; a fanotify mark is one of an inode (ie) or a mount (me).
    private static string? PathOf(CracImageRecord mark) =>
        (mark.GetRecord("ie") ?? mark).GetRecord("f_handle")?.GetText("path") ?? mark.GetRecord("me")?.GetText("path");

    private static void Require(ImageSubject subject, string path)
    {
        if (FileStatus.TryRead(path, flags: 0, out _, out Errno error))
        {
            return;
        }

        if (path.StartsWith("/sys/fs/cgroup/", StringComparison.Ordinal))
        {
            subject.Warn(
                null,
                $"{path}, which is watched",
                CracReason.FileMissing,
                "It does not exist. CRIU recreates control groups if it was told to (manage-cgroups), but fails if this is not one of them.",
                $"Create the control group: New-Item -ItemType Directory '{path}'",
                new("control groups that are watched", path)
                {
                    Why = "They do not exist. CRIU recreates control groups if it was told to (manage-cgroups), but fails if these are not among them.",
                    Argument = $"'{path}'",
                    Action = static paths => $"Create the control groups: New-Item -ItemType Directory {string.Join(", ", paths)}",
                });
            return;
        }

        bool isDenied = error is Errno.EACCES or Errno.EPERM;
        subject.Block(
            null,
            $"{path}, which is watched",
            isDenied ? CracReason.PermissionDenied : CracReason.FileMissing,
            isDenied
                ? "The process watched it with inotify or fanotify, and this user may not access it."
                : "The process watched it with inotify or fanotify, and it does not exist.",
            isDenied ? "Run this session as root: sudo pwsh" : $"Put it back, or create an empty folder in its place, which is enough for CRIU: New-Item -ItemType Directory '{path.Replace("'", "''", StringComparison.Ordinal)}'",
            new("watched files and folders", path)
            {
                Argument = $"'{path.Replace("'", "''", StringComparison.Ordinal)}'",
                Why = isDenied
                    ? "The process watched them with inotify or fanotify, and this user may not access them."
                    : "The process watched them with inotify or fanotify, and they do not exist.",
                Action = isDenied ? null : static paths => $"Put them back, or create empty folders in their places, which is enough for CRIU: New-Item -ItemType Directory {string.Join(", ", paths)}",
            });
    }
}
