using PSCrac.Common;
using PSCrac.Images.Model;

namespace PSCrac.Images.Operations;

/// <summary>The image root: the folder in which images are found by name.</summary>
internal static class ImageRoot
{
    /// <summary>The environment variable that sets the folder.</summary>
    internal const string Variable = "PSCRAC_IMAGE_ROOT";

    /// <summary>
    /// The folder: the value of <see cref="Variable"/>, else /var/lib/pscrac/images for root, else
    /// $XDG_STATE_HOME/pscrac/images. It need not exist.
    /// </summary>
    internal static string Path
    {
        get
        {
            string? named = Environment.GetEnvironmentVariable(Variable);
            return string.IsNullOrEmpty(named) ? System.IO.Path.Combine(StateDirectory.Path, "images") : System.IO.Path.GetFullPath(named);
        }
    }

    /// <summary>The path for a new image with a name.</summary>
    /// <param name="name">A file name without a path.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: the name is not valid for an image (<see cref="ImageName.FindFault"/>).</exception>
    internal static string PathOf(string name) =>
        ImageName.FindFault(name) is not { } fault
            ? System.IO.Path.Combine(Path, name)
            : throw new CracException(
                CracReason.OptionRefused, $"'{name}' is not a valid image name: {fault}.", "Give a plain file name, such as counter-1, or a path with -ImagePath.");

    /// <summary>Finds an existing folder by name; null if there is none. The name need not be valid for a new image.</summary>
    /// <param name="name">A file name without a path.</param>
    internal static string? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length == 0 || name is "." or ".." || name.AsSpan().ContainsAny('/', '\0'))
        {
            return null;
        }

        string path = System.IO.Path.Combine(Path, name);
        return Directory.Exists(path) ? path : null;
    }

    /// <summary>The paths of the images, ordered by name, without those of services; empty if the folder does not exist.</summary>
    /// <exception cref="CracException"><see cref="CracReason.PermissionDenied"/>, <see cref="CracReason.FileMissing"/>: the folder cannot be read.</exception>
    internal static IReadOnlyList<string> EnumerateImages() => Enumerate(CracImage.IsImageDirectory);

    /// <summary>The paths of the folders that have the images of a service each, ordered by name; empty if the image root does not exist.</summary>
    /// <exception cref="CracException"><see cref="CracReason.PermissionDenied"/>, <see cref="CracReason.FileMissing"/>: the image root cannot be read.</exception>
    internal static IReadOnlyList<string> EnumerateSeries() => Enumerate(static path => ImageSeries.Find(path).Count > 0);

    private static List<string> Enumerate(Predicate<string> isWanted)
    {
        string root = Path;
        var found = new List<string>();
        try
        {
            foreach (string each in System.IO.Path.Exists(root) ? Directory.EnumerateDirectories(root) : [])
            {
                if (isWanted(each))
                {
                    found.Add(each);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CracException(
                e is UnauthorizedAccessException ? CracReason.PermissionDenied : CracReason.FileMissing,
                $"The image root {root} cannot be read: {e.Message}",
                $"Set the environment variable {Variable} to a folder that you own.",
                e);
        }

        found.Sort(StringComparer.Ordinal);
        return found;
    }
}
