namespace PSCrac.Images.Storage;

/// <summary>
/// Limits the number of files and the length of their names over a whole folder or archive: names are kept in memory, and a
/// compressed archive can hold a thousand times its own size of them.
/// </summary>
/// <param name="maximumFiles">The most files.</param>
/// <param name="maximumTotalLength">The most characters of all names together.</param>
internal sealed class NameBudget(int maximumFiles = NameBudget.MaximumImageFiles, long maximumTotalLength = NameBudget.MaximumImageNames)
{
    /// <summary>The most files of an image: criu writes about seven for each process, and one for each further thread.</summary>
    internal const int MaximumImageFiles = 1 << 17;

    /// <summary>The most characters of the names of an image's files.</summary>
    internal const long MaximumImageNames = 8 << 20;

    /// <summary>The most bytes of one path: PATH_MAX of linux/limits.h.</summary>
    internal const int MaximumPathLength = 4096;

    private int _files;
    private long _length;

    /// <summary>Counts a name. Returns which limit it exceeds, as the end of a sentence; null if none.</summary>
    internal string? Add(string name)
    {
        _length += name.Length;
        return ++_files > maximumFiles ? $"it has more than {maximumFiles} files, the most that are read"
            : _length > maximumTotalLength ? $"the names of its files have more than {maximumTotalLength} characters, the most that are read"
            : null;
    }
}
