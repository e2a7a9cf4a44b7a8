using System.IO.Compression;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Paging;
using PSCrac.Staging;

namespace PSCrac.Moving;

/// <summary>
/// An image that was received into a folder of the caller's own. The folder has no name that anyone knows, and is removed with this object; if
/// this session is killed, the next one removes it (<see cref="StagingFolder"/>).
/// </summary>
internal sealed class MoveImageReceiver : IDisposable
{
    private const uint PrivateFile = 0x180; // 0600
    private const long MaximumCompressed = 64 << 20;
    private readonly ImageStaging _staging;
    private bool _isKept;

    private MoveImageReceiver(ImageStaging staging)
    {
        _staging = staging;
        Image = CracImage.Open(staging.Folder.Path);

        // The record of what runs names this, not the folder of the meantime.
        Image.SetStored(staging.TargetPath, Path.GetFileName(staging.TargetPath));
    }

    /// <summary>The image.</summary>
    internal CracImage Image { get; private set; }

    /// <summary>Receives the files that a message names.</summary>
    /// <param name="channel">Where from.</param>
    /// <param name="image">The image's name and its files.</param>
    /// <exception cref="CracException">It cannot be written.</exception>
    /// <exception cref="MoveLinkException">The connection was closed, or what came is not the image. Nothing is left of it.</exception>
    internal static MoveImageReceiver Receive(MoveChannel channel, MoveImage image)
    {
        ImageStaging staging = ImageStaging.Create(ImageRoot.PathOf(image.Name), force: false);
        staging.HasProcess = false;
        try
        {
            ReceiveFiles(channel, image, staging);
            return new MoveImageReceiver(staging);
        }
        catch (Exception e)
        {
            staging.RollBack();
            staging.Dispose();
            if (e is IOException and not MoveLinkException)
            {
                throw staging.SealFailed(e.Message, e);
            }

            throw;
        }
    }

    /// <summary>Its folder.</summary>
    internal FolderHandle Folder => _staging.Folder;

    /// <summary>Gives the image its name, under which it stays.</summary>
    /// <exception cref="CracException">It cannot get it.</exception>
    internal void Keep()
    {
        _staging.Commit(sync: false);
        _isKept = true;
        Image = _staging.OpenImage();
    }

    /// <summary>Removes the image also where it was to be kept.</summary>
    internal void Drop() => _isKept = false;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_isKept)
        {
            _staging.RollBack();
        }

        _staging.Dispose();
    }

    private static void ReceiveFiles(MoveChannel channel, MoveImage image, ImageStaging staging)
    {
        IReadOnlyList<LazyPagesFile>? lazy = null;
        foreach (MoveImageFile file in image.Files)
        {
            if (!ImageRemoval.IsOfImage(file.Name) || file.Size < 0 || file.SentSize < 0)
            {
                throw new MoveLinkException($"{file.Name} is no file of an image");
            }

            using SafeFileHandle target = staging.Folder.Create(file.Name, out Errno errno, PrivateFile);
            staging.RequireWritten(errno);
            using var stream = new FileStream(target, FileAccess.Write, bufferSize: 0);
            if (file.IsCompressed)
            {
                Decompress(channel, file, stream);
            }
            else if (image.IsLazy && ImageFileName.IsPages(file.Name))
            {
                // The pagemaps were sent before.
                lazy ??= LazyPagesFile.ReadAll(new DirectoryImageSource(staging.Folder)) ?? throw new MoveLinkException("the image is not what was announced");
                stream.SetLength(file.Size);
                foreach ((long start, long end) in MoveImageLayout.FindEager(lazy.FirstOrDefault(each => each.Name == file.Name), file.Size))
                {
                    stream.Position = start;
                    Copy(channel, end - start, stream);
                }
            }
            else
            {
                Copy(channel, file.Size, stream);
            }
        }
    }

    private static void Copy(MoveChannel channel, long length, Stream target)
    {
        for (long left = length; left > 0; left -= channel.Content.Length)
        {
            if (channel.Receive(Timeout.InfiniteTimeSpan) != MoveFrame.Data || channel.Content.Length == 0 || channel.Content.Length > left)
            {
                throw new MoveLinkException("the image is not what was announced");
            }

            target.Write(channel.Content);
        }
    }

    private static void Decompress(MoveChannel channel, MoveImageFile file, Stream target)
    {
        if (file.SentSize > MaximumCompressed || file.Size > MaximumCompressed)
        {
            throw new MoveLinkException($"{file.Name} is too large to be compressed");
        }

        var compressed = new MemoryStream();
        Copy(channel, file.SentSize, compressed);
        compressed.Position = 0;
        byte[] content = new byte[file.Size];
        using var stream = new ZLibStream(compressed, CompressionMode.Decompress);
        try
        {
            stream.ReadExactly(content);
        }
        catch (Exception e) when (e is EndOfStreamException or InvalidDataException)
        {
            throw new MoveLinkException($"{file.Name} is damaged");
        }

        target.Write(content);
    }
}
