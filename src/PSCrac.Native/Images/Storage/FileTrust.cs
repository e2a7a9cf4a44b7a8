using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Images.Storage;

/// <summary>Who else may change what a path leads to.</summary>
/// <param name="Why">Who may change which file, folder or link, as the rest of a sentence.</param>
/// <param name="Command">The command that takes that right away.</param>
internal sealed record ForeignAccess(string Why, string Command);

/// <summary>
/// Whether someone else may change a file that is about to be executed, loaded or read as configuration by root: the file itself, a
/// folder above it, or a symbolic link on the way. Only root and, under sudo, its caller are trusted. Another user changes only what
/// he uses himself, so nothing is refused to him.
/// <para>
/// A path that passes can be used by its name: nobody who is not trusted can have it lead elsewhere, since he owns no link or
/// folder of it and may neither remove nor rename an entry. The exception are sticky folders, where only owners may do that.
/// </para>
/// </summary>
internal static class FileTrust
{
    /// <summary>Whether files are examined at all: for root.</summary>
    internal static bool Applies => LibC.GetEffectiveUserId() == 0;

    /// <summary>Finds who else may change a file or folder. One that does not exist may be created by whoever may write to the folder.</summary>
    /// <param name="path">Its path.</param>
    /// <returns>The first reason; null if there is none, or this process is not root.</returns>
    internal static ForeignAccess? Find(string path) => Applies ? FindForAnyUser(path) : null;

    /// <summary>The same, also if this process is not root: for a file that decides what to trust.</summary>
    internal static ForeignAccess? FindForAnyUser(string path)
    {
        int[] users = TrustedUsers.Read();
        using PathWalk walk = PathWalk.ToFile(Path.GetFullPath(path));
        foreach ((string here, FileStatus status) in walk.Steps)
        {
            if (Examine(here, status, users, mayBeSticky: true) is { } access)
            {
                return access;
            }
        }

        if (walk.End is PathEnd.Folder or PathEnd.File)
        {
            return Examine(walk.Reached, walk.Status, users, mayBeSticky: false);
        }

        (string folder, FileStatus last) = walk.Steps.LastOrDefault(static step => step.Status.Type == FileType.Directory);
        return folder is null ? null : Examine(folder, last, users, mayBeSticky: false);
    }

    /// <summary>Refuses a file or folder that someone else may change.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="what">What it is, such as "criu".</param>
    /// <param name="alternative">What helps instead, as the end of a sentence such as "give another criu with -CriuPath".</param>
    /// <exception cref="CracException"><see cref="CracReason.FileNotTrusted"/>.</exception>
    internal static void Require(string path, string what, string alternative)
    {
        if (Find(path) is { } access)
        {
            throw new CracException(
                CracReason.FileNotTrusted,
                $"{what} {path} would be used as root, but someone else may change it: {access.Why}.",
                $"Check that nobody has changed it, then: {access.Command}; or {alternative}.");
        }
    }

    /// <summary>Selects the folders of a search path that nobody else may change; all of them if this process is not root.</summary>
    /// <param name="folders">The folders. As root a relative one is left out: it depends on where the session happens to be.</param>
    internal static IEnumerable<string> Select(IEnumerable<string> folders) =>
        Applies ? folders.Where(static folder => Path.IsPathRooted(folder) && Find(folder) is null) : folders;

    /// <summary>The caller's PATH with only those folders.</summary>
    internal static string SearchPath() =>
        string.Join(':', Select((Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries)));

    private static ForeignAccess? Examine(string path, in FileStatus status, ReadOnlySpan<int> users, bool mayBeSticky)
    {
        bool isLink = status.Type == FileType.SymbolicLink;
        if (!users.Contains((int)status.UserId))
        {
            return isLink
                ? new($"{path} is a symbolic link of user {status.UserId}, who decides where it leads", $"chown -h root {path}")
                : new($"{path} belongs to user {status.UserId}", $"chown root {path}");
        }

        return isLink || !status.IsWritableByOthers || (mayBeSticky && status.IsSticky) ? null
            : new($"{status.OtherWriters} may write to {path}", $"chmod go-w {path}");
    }
}
