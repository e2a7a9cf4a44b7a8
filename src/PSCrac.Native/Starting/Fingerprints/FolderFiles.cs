using System.IO.Enumeration;

namespace PSCrac.Starting.Fingerprints;

/// <summary>The files of a folder.</summary>
internal static class FolderFiles
{
    /// <summary>The maximum number of files of a folder and its subfolders: to examine more would take longer than a restore.</summary>
    internal const int MaximumFiles = 10_000;

    private static readonly EnumerationOptions s_options = new()
    {
        RecurseSubdirectories = true,
        IgnoreInaccessible = true,
        AttributesToSkip = 0,
    };

    private static readonly EnumerationOptions s_flatOptions = new() { IgnoreInaccessible = true, AttributesToSkip = 0 };

    /// <summary>
    /// Finds the files of a folder. Folders in it are not entered where they are links or images, or where their names begin with a
    /// dot; the folder itself is not where it is an image.
    /// </summary>
    /// <param name="folder">The folder's full path; one that does not exist has no files.</param>
    /// <param name="isWanted">Chooses by name.</param>
    /// <param name="isRecursive">Whether the folders in it are entered.</param>
    /// <returns>Full paths, in no order; null where there are more than <see cref="MaximumFiles"/> to examine.</returns>
    internal static List<string>? TryFind(string folder, Predicate<string> isWanted, bool isRecursive = true)
    {
        int seen = 0;
        var found = new List<string>();
        if (CracImage.IsImageDirectory(folder))
        {
            return found;
        }

        try
        {
            found.AddRange(new FileSystemEnumerable<string>(folder, static (ref entry) => entry.ToSpecifiedFullPath(), isRecursive ? s_options : s_flatOptions)
            {
                ShouldIncludePredicate = (ref entry) => ++seen <= MaximumFiles && !entry.IsDirectory && isWanted(entry.FileName.ToString()),
                ShouldRecursePredicate = (ref entry) =>
                    seen <= MaximumFiles && !entry.FileName.StartsWith('.') && (entry.Attributes & FileAttributes.ReparsePoint) == 0
                    && !CracImage.IsImageDirectory(entry.ToSpecifiedFullPath()),
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No folder, or removed meanwhile, or not readable.
        }

        return seen > MaximumFiles ? null : found;
    }
}
