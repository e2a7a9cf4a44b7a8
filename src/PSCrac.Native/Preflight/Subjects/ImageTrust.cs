using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Preflight.Subjects;

/// <summary>
/// Whether someone else could have written an image. A restore runs its content, often as root, so the image, its files and every
/// folder and link of its path must be owned by root or the caller, and nobody else may write to them; a sticky folder such as /tmp
/// is allowed in the path. Under sudo the caller is the user who ran sudo.
/// <para>
/// The path is opened component by component and never resolved again: <see cref="Folder"/> is the folder that was examined,
/// even if the path leads elsewhere when it is used.
/// </para>
/// </summary>
internal sealed class ImageTrust : IDisposable
{
    private const int MaximumParents = 100;
    private const string Parent = "parent";

    private List<CracFinding> _findings = [];
    private readonly string _path;
    private readonly int[] _trusted;

    private ImageTrust(string path, int[] trusted)
    {
        _path = path;
        _trusted = trusted;
    }

    /// <summary>
    /// The image's folder, open for reading, for criu. Null if there is no such folder, which is a finding. This object owns and
    /// closes it.
    /// </summary>
    internal FolderHandle? Folder { get; private set; }

    /// <summary>The findings; empty if nobody else could have written the image.</summary>
    internal IReadOnlyList<CracFinding> Findings => _findings;

    /// <summary>Whether nobody else could have written the image.</summary>
    internal bool IsTrusted => _findings.Count == 0;

    /// <summary>Examines who could have written an image.</summary>
    /// <param name="path">The image's folder.</param>
    internal static ImageTrust Examine(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Examine(path, TrustedUsers.Read());
    }

    internal static ImageTrust Examine(string path, int[] trustedUsers)
    {
        var trust = new ImageTrust(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)), trustedUsers);
        trust.Walk();
        trust._findings = FindingGroups.Merge(trust._findings);
        trust.AdviseImport();
        return trust;
    }

    /// <summary>Examines who could have written a file, such as an archive or a program that is run.</summary>
    /// <param name="path">A full path. Symbolic links among its folders are examined; the file itself must not be one.</param>
    internal static ImageTrust ExamineFile(string path)
    {
        var trust = new ImageTrust(path, TrustedUsers.Read());
        using PathWalk? walk = trust.WalkTo(Path.GetDirectoryName(path)!);
        if (walk is null)
        {
            return trust;
        }

        trust.ExamineOwner(walk.Reached, walk.Status, isAncestorFolder: true);
        if (!FileStatus.TryReadAt(walk.Folder!, Path.GetFileName(path), LibC.AT_SYMLINK_NOFOLLOW, out FileStatus status, out _) || status.Type != FileType.Regular)
        {
            trust.Add(path, CracReason.NotAnImage, "It is not a regular file.", "Give the path of the file itself.");
            return trust;
        }

        trust.ExamineOwner(path, status, isAncestorFolder: false);
        return trust;
    }

    /// <summary>
    /// The folders and links on the way to an image that does not exist yet for which <see cref="Examine(string)"/> will not trust it.
    /// </summary>
    /// <param name="path">The image's path.</param>
    /// <returns>The path of each, who else may change it, and what helps. Empty if the image will be trusted.</returns>
    internal static IReadOnlyList<(string Path, string Why, string RecommendedAction)> ExamineTarget(string path)
    {
        int[] trusted = TrustedUsers.Read();
        string? above = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        while (above is not null && !System.IO.Directory.Exists(above))
        {
            above = Path.GetDirectoryName(above);
        }

        using PathWalk walk = PathWalk.Along(above ?? "/");
        List<(string, FileStatus)> steps = [.. walk.Steps];
        if (walk.Folder is not null)
        {
            steps.Add((walk.Reached, walk.Status));
        }

        var found = new List<(string, string, string)>();
        foreach ((string here, FileStatus status) in steps)
        {
            if (!trusted.Contains((int)status.UserId))
            {
                found.Add((here, $"It belongs to user {status.UserId}", "Give -ImagePath in a folder that belongs to you or root, such as one below the image root."));
            }
            else if (status.Type != FileType.SymbolicLink && status.IsWritableByOthers && !status.IsSticky)
            {
                found.Add((here, $"{Capitalize(status.OtherWriters)} may write to it", $"chmod go-w {here}, or give -ImagePath in another folder."));
            }
        }

        return found;
    }

    /// <inheritdoc/>
    public void Dispose() => Folder?.Dispose();

    private void Walk()
    {
        using PathWalk? walk = WalkTo(_path);
        if (walk is not null)
        {
            ExamineFolder(walk.Folder!, walk.Reached, depth: 0);
            Folder = FolderHandle.TryOpen(walk, out _);
        }
    }

    /// <summary>Opens a folder and examines its path; null if there is none, which is a finding.</summary>
    private PathWalk? WalkTo(string path)
    {
        PathWalk walk = PathWalk.Along(path);
        foreach ((string here, FileStatus status) in walk.Steps)
        {
            if (status.Type == FileType.SymbolicLink)
            {
                ExamineLink(here, status);
            }
            else
            {
                ExamineOwner(here, status, isAncestorFolder: true);
            }
        }

        if (walk.Folder is not null)
        {
            return walk;
        }

        (CracReason reason, string why, string recommendedAction) = walk.End switch
        {
            PathEnd.NotAFolder => (CracReason.NotAnImage, "It is not a folder.", "Check the path; unpack a checkpoint archive with tar -xf and give its checkpoint folder."),
            PathEnd.TooManyLinks => (CracReason.NotAnImage, "There are too many levels of symbolic links.", "Check the path."),
            PathEnd.Denied => (CracReason.PermissionDenied, "It does not exist, or this user may not access it.", "Check the path."),
            _ => (CracReason.NotAnImage, "It does not exist, or this user may not access it.", "Check the path."),
        };
        Add(walk.Reached, reason, why, recommendedAction);
        walk.Dispose();
        return null;
    }

    // The owner of a link decides where it leads; its mode has no meaning.
    private void ExamineLink(string here, in FileStatus status)
    {
        if (!_trusted.Contains((int)status.UserId))
        {
            Add(
                here,
                CracReason.ImageNotTrusted,
                $"It is a symbolic link of user {status.UserId}, who decides where it leads.",
                "Give the path of the image's folder itself.",
                new($"symbolic links of user {status.UserId}", here)
                {
                    Why = "Their owner decides where they lead.",
                });
        }
    }

    private void ExamineFolder(SafeFileHandle folder, string path, int depth)
    {
        if (FileStatus.TryReadAt(folder, "", LibC.AT_EMPTY_PATH, out FileStatus own, out _))
        {
            ExamineOwner(path, own, isAncestorFolder: false);
        }

        using FolderHandle? readable = FolderHandle.TryReopen(folder, path, out _);
        List<string>? names = readable?.ReadNames();
        if (names is null)
        {
            Add(path, CracReason.PermissionDenied, "The folder may not be read.", "Run this session as root (sudo pwsh), or ask its owner.");
            return;
        }

        foreach (string name in names)
        {
            string here = Path.Combine(path, name);
            if (!FileStatus.TryReadAt(folder, name, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus status, out _))
            {
                continue;
            }

            if (name == Parent && status.Type is FileType.SymbolicLink or FileType.Directory)
            {
                ExamineParent(folder, here, status, depth);
            }
            else if (status.Type is FileType.SymbolicLink)
            {
                Add(here, CracReason.ImageNotTrusted, "It is a symbolic link, and the files of an image must be regular files.", "Make a new copy of the image with its real files.",
                    new("symbolic links among the image's files", NameOf(here)) { Why = "The files of an image must be regular files." });
            }
            else if (status.Type != FileType.Directory)
            {
                ExamineOwner(here, status, isAncestorFolder: false);
            }
        }
    }

    /// <summary>An incremental image has a link to its parent (criu(8), --prev-images-dir), whose pages are restored as well.</summary>
    private void ExamineParent(SafeFileHandle folder, string here, in FileStatus status, int depth)
    {
        string? path = here;
        if (status.Type == FileType.SymbolicLink)
        {
            ExamineLink(here, status);
            path = PathWalk.ReadLink(folder, Parent) is { } target ? Path.Combine(Path.GetDirectoryName(here)!, target) : null;
        }

        if (depth >= MaximumParents)
        {
            Add(here, CracReason.NotAnImage, $"More than {MaximumParents} images are parents of each other, or they lead in a circle.", "Check where the links lead.");
        }

        using PathWalk? parent = path is null || depth >= MaximumParents ? null : WalkTo(path);
        if (parent is not null)
        {
            ExamineFolder(parent.Folder!, parent.Reached, depth + 1);
        }
    }

    private void ExamineOwner(string path, in FileStatus status, bool isAncestorFolder)
    {
        if (!_trusted.Contains((int)status.UserId))
        {
            Add(
                path,
                CracReason.ImageNotTrusted,
                $"It belongs to user {status.UserId}, who could have put anything in the image, and the restore would run it.",
                $"If you trust its source, copy it under your own user (cp -a would keep the owner) to a folder that nobody else may write to: cp -r {_path} ~/{Path.GetFileName(_path)}; or give -SkipTrustCheck.",
                new($"files and folders of user {status.UserId}", NameOf(path))
                {
                    Why = $"They belong to user {status.UserId}, who could have put anything in the image, and the restore would run it.",
                });
        }
        else if (status.IsWritableByOthers && !(isAncestorFolder && status.IsSticky))
        {
            Add(
                path,
                CracReason.ImageNotTrusted,
                $"{Capitalize(status.OtherWriters)} may write to it, so someone else could have put anything in the image, and the restore would run it.",
                $"chmod go-w {path}, if nobody has; or give -SkipTrustCheck.",
                new($"files and folders that {status.OtherWriters} may write to{(isAncestorFolder ? ", on the way to the image" : "")}", NameOf(path))
                {
                    Why = "Someone else could have put anything in the image, and the restore would run it.",
                    Argument = path,
                    Action = paths => $"chmod {(isAncestorFolder ? $"go-w {string.Join(' ', paths)}" : $"-R go-w {_path}")}, if nobody has; or give -SkipTrustCheck.",
                });
        }
    }

    // A signature can give the trust that the owner does not, of a copy that nobody else can change.
    private void AdviseImport()
    {
        if (Folder?.ContainsFile(ImageManifest.SignatureFileName) == true)
        {
            string advice = $"It has a signature. Import it, which copies and verifies it, and restore the copy: Import-CracImage -LiteralPath {Quote(_path)} -ImageName {Quote(Path.GetFileName(_path))} -RequireSignature.";
            _findings = [.. _findings.Select(finding => finding.Reason == CracReason.ImageNotTrusted ? finding with { RecommendedAction = advice } : finding)];
        }

        static string Quote(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
    }

    private static string Capitalize(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    private string NameOf(string path) => path.StartsWith(_path + "/", StringComparison.Ordinal) ? path[(_path.Length + 1)..] : path;

    private void Add(string what, CracReason reason, string why, string recommendedAction, FindingCause? cause = null) => _findings.Add(new CracFinding
    {
        Severity = CracFindingSeverity.Blocker,
        What = what,
        Reason = reason,
        Why = why,
        RecommendedAction = recommendedAction,
        Cause = cause,
    });
}
