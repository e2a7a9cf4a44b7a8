using System.Globalization;

namespace PSCrac.Images.Storage;

/// <summary>Parses the names of image files.</summary>
internal static class ImageFileName
{
    private const string Extension = ".img";

    /// <summary>Whether a file holds dumped memory: criu's pages-N.img.</summary>
    internal static bool IsPages(string name) =>
        name.StartsWith("pages-", StringComparison.Ordinal) && name.EndsWith(Extension, StringComparison.Ordinal);

    /// <summary>The number N of a file named START-N.img; null if the name does not have this form.</summary>
    internal static long? ParseNumber(string name, string start) =>
        name.StartsWith(start, StringComparison.Ordinal)
        && name.EndsWith(Extension, StringComparison.Ordinal)
        && name.Length > start.Length + Extension.Length
        && long.TryParse(name.AsSpan(start.Length, name.Length - start.Length - Extension.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : null;
}
