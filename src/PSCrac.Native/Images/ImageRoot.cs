namespace PSCrac.Images;

/// <summary>The folder in which an image is found by its name alone.</summary>
public static class ImageRoot
{
    /// <summary>The environment variable that names the folder.</summary>
    public const string Variable = "PSCRAC_IMAGE_ROOT";

    /// <summary>
    /// The folder: what <see cref="Variable"/> names, else /var/lib/pscrac/images for root, else
    /// $XDG_STATE_HOME/pscrac/images. It need not exist.
    /// </summary>
    public static string Path
    {
        get
        {
            string? named = Environment.GetEnvironmentVariable(Variable);
            return string.IsNullOrEmpty(named) ? System.IO.Path.Combine(StateFolder.Path, "images") : System.IO.Path.GetFullPath(named);
        }
    }

    /// <summary>The path of the image with a name.</summary>
    /// <param name="name">One file name, no path.</param>
    /// <exception cref="CracException"><see cref="CracReason.NotAnImage"/>: it is no file name.</exception>
    public static string PathOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length == 0 || name is "." or ".." || name.AsSpan().ContainsAny('/', '\0'))
        {
            throw new CracException(
                CracReason.NotAnImage, $"'{name}' cannot be an image's name.", "Give a name without slashes, or a path with -ImagePath.");
        }

        return System.IO.Path.Combine(Path, name);
    }
}
