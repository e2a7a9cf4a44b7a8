using PSCrac.Common;
using PSCrac.Images.Storage;

namespace PSCrac.Archives;

/// <summary>Copies an image, which may be someone else's and be changed meanwhile, to a folder of the caller's own.</summary>
internal static class ImageCopy
{
    /// <summary>Copies the image's files, and hashes them meanwhile. Other files in its folder are left out.</summary>
    /// <param name="source">The image's files. An incremental image gets the pages of its parents.</param>
    /// <param name="folder">An empty folder of the caller's own.</param>
    /// <param name="maximumSize">The most bytes that it may have; null for what there is room for.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>The copy, of which nothing was used yet.</returns>
    /// <exception cref="CracException">It cannot be read or written, or is too large. The folder has a part of it then.</exception>
    internal static UnpackedImage Run(ImageSource source, FolderHandle folder, long? maximumSize, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        source = source.Parent is null ? source : new FlatImageSource(CracImage.Open(source));
        List<ImageFileInfo> files = ImageExport.SelectFiles(source, out List<string> others);
        var writer = new ImageWriter(folder, progress);
        long size = files.Sum(static file => file.Length);
        if (size > maximumSize)
        {
            throw new CracException(
                CracReason.NoSpace, $"{source.Path} has {size} bytes, more than the {maximumSize} that are allowed.", "Give a larger -MaximumSize, if you trust where the image comes from.");
        }

        if (size > writer.FreeSpace)
        {
            throw new CracException(
                CracReason.NoSpace, $"{source.Path} has {size} bytes, more than the {writer.FreeSpace} that are free at {folder.Path}.", "Free some space, or give -ImagePath on another file system.");
        }

        foreach (ImageFileInfo info in files)
        {
            // Its length is that of now: one that grew since is no way to fill the disk.
            using ImageFile file = source.Open(info.Name, cancellation);
            long length = Math.Min(file.Length, info.Length);
            writer.Write(info.Name, (buffer, position) =>
            {
                cancellation.ThrowIfCancellationRequested();
                return file.ReadAt(position, buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - position)));
            });
        }

        return new UnpackedImage { Folder = folder, SourcePath = source.Path, IsCopy = true, Files = writer.Files, Others = others };
    }
}
