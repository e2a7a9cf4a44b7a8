using PSCrac.Archives;
using PSCrac.Common;
using PSCrac.Images.Storage;

namespace PSCrac.CoreDumps;

/// <summary>
/// An image whose pages can be read in any order. A compressed archive is unpacked into a private folder for that, since each step back in it
/// would decompress it from its beginning. Folders and plain tar files are read where they are.
/// </summary>
internal sealed class ReadableImage : IDisposable
{
    private readonly TemporaryImage? _unpacked;

    private ReadableImage(CracImage image, TemporaryImage? unpacked)
    {
        Image = image;
        _unpacked = unpacked;
    }

    /// <summary>The image; messages name the archive.</summary>
    internal CracImage Image { get; }

    /// <summary>Opens an image.</summary>
    /// <exception cref="CracException">It is encrypted, or an archive that cannot be unpacked.</exception>
    internal static ReadableImage Open(CracImage image, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        if (image.Source is not ArchiveImageSource { IsCompressed: true } && !image.IsEncrypted)
        {
            return new ReadableImage(image, unpacked: null);
        }

        try
        {
            TemporaryImage unpacked = TemporaryImage.UnpackToRead(image, out CracImage readable, progress, cancellation);
            return new ReadableImage(readable, unpacked);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.CoreDump, processId: null, image.Path);
            throw;
        }
    }

    public void Dispose() => _unpacked?.Dispose();
}
