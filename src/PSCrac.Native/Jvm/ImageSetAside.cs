using System.Globalization;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Staging;

namespace PSCrac.Jvm;

/// <summary>
/// The image of before, which a JVM's checkpoint to the same directory moves aside, under a name made of the directory's
/// own. It is locked (flock(2)) for as long as whoever moved it lives. One that nobody has locked was left by a session
/// that was killed, and the next checkpoint to that directory settles it.
/// </summary>
internal sealed class ImageSetAside : IDisposable
{
    private const string Prefix = ImageName.StagingPrefix;
    private const string Suffix = ".before";

    private readonly FolderHandle _parent;
    private readonly FolderHandle? _lock;

    private ImageSetAside(FolderHandle parent, string target, FolderHandle? held)
    {
        _parent = parent;
        Target = target;
        _lock = held;
    }

    /// <summary>The image's own name.</summary>
    internal string Target { get; }

    /// <summary>The name it has meanwhile.</summary>
    internal static string NameOf(string target) => Prefix + target + Suffix;

    /// <summary>A name for what a JVM has left that has ended, where its own is needed by the image of before.</summary>
    internal static string RemainsOf(string target) => string.Create(CultureInfo.InvariantCulture, $"{target}.incomplete-{DateTime.UtcNow:yyyyMMddHHmmssfff}");

    /// <summary>The images that are aside in a folder, by their own names.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="isWanted">Which names.</param>
    internal static List<string> FindTargets(FolderHandle folder, Predicate<string> isWanted) =>
        [.. (folder.ReadNames() ?? []).Where(static name => name.Length > Prefix.Length + Suffix.Length
                && name.StartsWith(Prefix, StringComparison.Ordinal) && name.EndsWith(Suffix, StringComparison.Ordinal))
            .Select(static name => name[Prefix.Length..^Suffix.Length]).Where(name => isWanted(name))];

    /// <summary>Moves an image aside.</summary>
    /// <param name="parent">The folder above; stays the caller's.</param>
    /// <param name="target">The image's name there.</param>
    /// <param name="errno">Why it could not be moved; 0 where it was.</param>
    /// <returns>The image; null on failure.</returns>
    internal static ImageSetAside? TryMove(FolderHandle parent, string target, out Errno errno)
    {
        // Locked first: under the other name, whoever finds it without a lock takes it for abandoned. A file system without
        // locks knows no abandoned ones.
        FolderHandle? held = StagingFolder.TryLock(parent, target);
        errno = parent.Rename(target, parent, NameOf(target), LibC.RENAME_NOREPLACE);
        if (errno == 0)
        {
            return new ImageSetAside(parent, target, held);
        }

        held?.Dispose();
        return null;
    }

    /// <summary>
    /// Deals with an abandoned one: puts it back, in the place of what a failed checkpoint has left there; or removes it,
    /// where a complete image stands there, which may be all there is of the JVM that made it. Each step is a rename, so
    /// that whoever comes after one that is killed here goes on with it.
    /// </summary>
    /// <param name="parent">The folder above.</param>
    /// <param name="target">The image's name there.</param>
    /// <param name="users">Whose images are removed.</param>
    /// <returns>
    /// Whether the way is clear; false where one is there that is not abandoned, or may not be, or where what stands at the
    /// image's place could be all there is of a JVM, in a form that is not criu's.
    /// </returns>
    internal static bool Settle(FolderHandle parent, string target, ReadOnlySpan<int> users)
    {
        string aside = NameOf(target);
        if (!parent.Contains(aside))
        {
            return true;
        }

        using (FolderHandle? abandoned = StagingFolder.TryLock(parent, aside))
        {
            if (abandoned is null)
            {
                return !parent.Contains(aside);
            }

            using FolderHandle? there = parent.TryOpenFolder(target, out _);
            bool isComplete = there is not null && JvmImage.IsComplete(there, out _);
            if (!isComplete && there is not null && !IsRemainsOfCriu(there))
            {
                return false;
            }

            string inTheWay = isComplete ? aside : target;
            Errno errno = parent.Rename(inTheWay, parent, StagingFolder.NewName(), LibC.RENAME_NOREPLACE);
            if (inTheWay == target && errno is 0 or Errno.ENOENT)
            {
                errno = parent.Rename(aside, parent, target, LibC.RENAME_NOREPLACE);
            }

            if (errno != 0)
            {
                return false;
            }
        }

        StagingFolder.RemoveAbandoned(parent, users);
        return true;
    }

    /// <summary>Puts it back; what stands in its place must be gone. Whether it is back.</summary>
    internal bool PutBack() => _parent.Rename(NameOf(Target), _parent, Target, LibC.RENAME_NOREPLACE) == 0;

    /// <summary>Unlocks it.</summary>
    public void Dispose() => _lock?.Dispose();

    // Without the inventory nothing can be restored from criu's files. Another engine's image has none either.
    private static bool IsRemainsOfCriu(FolderHandle directory) =>
        !JvmImage.HasInventory(directory) && !JvmImage.IsOfOtherEngine(directory) && directory.ReadNames() is { } names && names.TrueForAll(ImageRemoval.IsOfImage);
}
