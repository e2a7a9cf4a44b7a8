namespace PSCrac.Images.Operations;

/// <summary>The folder in which an image is found by its name alone.</summary>
internal static class ImageRoot
{
    /// <summary>The environment variable that names the folder.</summary>
    internal const string Variable = "PSCRAC_IMAGE_ROOT";

    /// <summary>
    /// The folder: what <see cref="Variable"/> names, else /var/lib/pscrac/images for root, else
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

    /// <summary>The path of the image that is to get a name.</summary>
    /// <param name="name">One file name, no path.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: no image can be called so (<see cref="ImageName.FindFault"/>).</exception>
    internal static string PathOf(string name) =>
        ImageName.FindFault(name) is not { } fault
            ? System.IO.Path.Combine(Path, name)
            : throw new CracException(
                CracReason.OptionRefused, $"'{name}' cannot be an image's name: {fault}.", "Give a plain file name, such as counter-1, or a path with -ImagePath.");

    /// <summary>The folder with a name that is there; null where none is. Its name need not be one that a new image could get.</summary>
    /// <param name="name">One file name, no path.</param>
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

    /// <summary>The paths of the images, in the order of their names; empty where there is no such folder.</summary>
    /// <exception cref="CracException"><see cref="CracReason.PermissionDenied"/>, <see cref="CracReason.FileMissing"/>: the folder cannot be read.</exception>
    internal static IReadOnlyList<string> EnumerateImages()
    {
        string root = Path;
        var images = new List<string>();
        try
        {
            foreach (string each in System.IO.Path.Exists(root) ? Directory.EnumerateDirectories(root) : [])
            {
                if (CracImage.IsImageDirectory(each))
                {
                    images.Add(each);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CracException(
                e is UnauthorizedAccessException ? CracReason.PermissionDenied : CracReason.FileMissing,
                $"The image root {root} cannot be read: {e.Message}",
                $"Have the environment variable {Variable} name a folder of your own.",
                e);
        }

        images.Sort(StringComparer.Ordinal);
        return images;
    }
}
