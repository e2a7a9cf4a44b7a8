namespace PSCrac.Tests.Images;

/// <summary>Copies an image into a temporary folder.</summary>
internal static class ImageCopy
{
    /// <summary>Copies the files of an image. The caller deletes the parent of the returned folder.</summary>
    internal static string Create(string path)
    {
        string copy = Path.Combine(Directory.CreateTempSubdirectory("pscrac-copy-").FullName, "image");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(path))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        return copy;
    }
}
