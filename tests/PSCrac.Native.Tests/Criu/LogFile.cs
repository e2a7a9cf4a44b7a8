using PSCrac.Criu;
using PSCrac.Images.Storage;

namespace PSCrac.Tests.Criu;

/// <summary>criu's log by its path, as a message gives it.</summary>
internal static class LogFile
{
    /// <summary>Its error lines; none where there is no log.</summary>
    internal static IReadOnlyList<string> ReadErrors(string path)
    {
        using FolderHandle folder = FolderHandle.TryOpen(Path.GetDirectoryName(path)!, out _)!;
        return CriuLog.ReadErrors(folder, Path.GetFileName(path));
    }
}
