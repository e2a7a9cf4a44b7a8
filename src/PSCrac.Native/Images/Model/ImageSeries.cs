using System.Globalization;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Model;

/// <summary>
/// The images of a service: a folder whose images are named by the time of their checkpoint (UTC), such as web/20261127-140533, so that
/// they are in order by name. One that is set aside, since the program crashed after restores from it, has the same name with an extension.
/// </summary>
internal static class ImageSeries
{
    /// <summary>The extension of the name of an image that is not restored any more.</summary>
    internal const string SetAsideExtension = ".set-aside";

    private const string NameFormat = "yyyyMMdd-HHmmss";

    /// <summary>The name of an image by the time of its checkpoint, to the second.</summary>
    internal static string NameOf(DateTime time) => time.ToUniversalTime().ToString(NameFormat, CultureInfo.InvariantCulture);

    /// <summary>Reads the time of a checkpoint from the name of an image.</summary>
    /// <param name="name">A file name.</param>
    /// <param name="time">The time, in UTC.</param>
    /// <param name="isSetAside">Whether the image is set aside.</param>
    /// <returns>Whether it is such a name.</returns>
    internal static bool TryParseName(string name, out DateTime time, out bool isSetAside)
    {
        isSetAside = name.EndsWith(SetAsideExtension, StringComparison.Ordinal);
        ReadOnlySpan<char> text = isSetAside ? name.AsSpan(0, name.Length - SetAsideExtension.Length) : name;
        return DateTime.TryParseExact(text, NameFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out time);
    }

    /// <summary>The paths of a folder's images that are named by a time, the oldest first; empty if the folder has none, does not exist or is an image itself.</summary>
    /// <param name="folder">The path of a folder.</param>
    internal static IReadOnlyList<string> Find(string folder)
    {
        using FolderHandle? handle = FolderHandle.TryOpen(folder, out _);
        var found = new List<string>();
        if (handle is null || CracImage.IsImageDirectory(handle))
        {
            return found;
        }

        foreach (string name in handle.ReadNames() ?? [])
        {
            if (TryParseName(name, out _, out _))
            {
                using FolderHandle? image = handle.TryOpenFolder(name, out _);
                if (image is not null && CracImage.IsImageDirectory(image))
                {
                    found.Add(Path.Combine(folder, name));
                }
            }
        }

        found.Sort(StringComparer.Ordinal);
        return found;
    }

    /// <summary>The folder of the series that an image belongs to; null if its name is not the time of a checkpoint.</summary>
    internal static string? FolderOf(CracImage image) => TryParseName(image.Name, out _, out _) ? Path.GetDirectoryName(image.Path) : null;

    /// <summary>Whether an image is complete and not set aside.</summary>
    internal static bool IsGood(CracImage image)
    {
        try
        {
            return !(TryParseName(image.Name, out _, out bool isSetAside) && isSetAside) && image.IsRestorable(out _);
        }
        catch (CracException)
        {
            // A file that says what there should be is damaged.
            return false;
        }
    }

    /// <summary>The path of the newest good image of a list of <see cref="Find"/>; null if there is none.</summary>
    internal static string? FindNewest(IReadOnlyList<string> series)
    {
        for (int i = series.Count - 1; i >= 0; i--)
        {
            if (TryOpen(series[i]) is { } image && IsGood(image))
            {
                return series[i];
            }
        }

        return null;
    }

    /// <summary>Opens an image; null if it cannot be read.</summary>
    internal static CracImage? TryOpen(string path)
    {
        try
        {
            return CracImage.Open(path);
        }
        catch (CracException)
        {
            return null;
        }
    }
}
