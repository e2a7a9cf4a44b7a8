using PSCrac.Images.Model;
using PSCrac.Interop;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// Whether what inotify and fanotify watch is there. criu opens it by its path, and takes whatever is there; what has no path
/// in the image it opens by a handle (criu's fsnotify.c, get_mark_path()).
/// </summary>
internal sealed class WatchRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        // With mounts in the image, its paths are not ours.
        if (subject.HoldsNamespace("mnt"))
        {
            return;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (CracImageRecord file in subject.Image.OpenFiles.All)
        {
            string? marks = OpenFileTable.KindOf(file) switch { CracFileKind.Inotify => "wd", CracFileKind.Fanotify => "mark", _ => null };
            if (marks is null || OpenFileTable.Own(file) is not { } own || subject.Options.UnopenedFiles.Contains((uint)own.Number("id")))
            {
                continue;
            }

            foreach (object each in own.Items(marks))
            {
                if (each is CracImageRecord mark && PathOf(mark) is { Length: > 0 } path && seen.Add(FilePresenceRule.Rooted(path)))
                {
                    Require(subject, FilePresenceRule.Rooted(path));
                }
            }
        }
    }

    // A watch of inotify's has its handle itself; a mark of fanotify's is one of an inode (ie) or of a mount (me).
    private static string? PathOf(CracImageRecord mark) =>
        (mark.Record("ie") ?? mark).Record("f_handle")?.Text("path") ?? mark.Record("me")?.Text("path");

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
                "It is not there. CRIU makes control groups again where it was told to (manage-cgroups), but fails where this is not one of them.",
                $"Make the control group again: New-Item -ItemType Directory '{path}'",
                new("control groups that are watched", path)
                {
                    Why = "They are not there. CRIU makes control groups again where it was told to (manage-cgroups), but fails where these are not among them.",
                    Argument = $"'{path}'",
                    Action = static paths => $"Make the control groups again: New-Item -ItemType Directory {string.Join(", ", paths)}",
                });
            return;
        }

        bool isDenied = error is Errno.EACCES or Errno.EPERM;
        subject.Block(
            null,
            $"{path}, which is watched",
            isDenied ? CracReason.PermissionDenied : CracReason.FileMissing,
            isDenied
                ? "The process watched it with inotify or fanotify, and it may not be looked at by this user."
                : "The process watched it with inotify or fanotify, and it is not there.",
            isDenied ? "Run this session as root: sudo pwsh" : $"Put it back, or make an empty folder in its place, which is enough for CRIU: New-Item -ItemType Directory '{path.Replace("'", "''", StringComparison.Ordinal)}'",
            new("watched files and folders", path)
            {
                Argument = $"'{path.Replace("'", "''", StringComparison.Ordinal)}'",
                Why = isDenied
                    ? "The process watched them with inotify or fanotify, and they may not be looked at by this user."
                    : "The process watched them with inotify or fanotify, and they are not there.",
                Action = isDenied ? null : static paths => $"Put them back, or make empty folders in their places, which is enough for CRIU: New-Item -ItemType Directory {string.Join(", ", paths)}",
            });
    }
}
