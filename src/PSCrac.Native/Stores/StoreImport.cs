using Microsoft.Win32.SafeHandles;
using PSCrac.Archives;
using PSCrac.Common;
using PSCrac.Images.Storage;

namespace PSCrac.Stores;

/// <summary>Makes an image of one in a layout: criu's own files, byte for byte.</summary>
internal static class StoreImport
{
    // Below it, another thread that reads ahead costs more than it saves.
    private const long ReadAheadSize = 4 << 20;
    private const int MaximumThreads = 4;

    /// <summary>Imports an image.</summary>
    /// <param name="image">The image in the store.</param>
    /// <param name="request">Where to, and what its signature must be. The path of the source is for messages.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    /// <exception cref="CracException">It is refused or damaged, or the image cannot be written. Nothing is left of it.</exception>
    internal static ImportResult Run(OpenedImage image, ImportRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        try
        {
            return ImageImport.Run(request, folder => Stage(image, request, folder, progress, cancellation), cancellation);
        }
        catch (CracException e) when (e.Reason == CracReason.ImageCorrupt)
        {
            image.RemoveDamaged();
            throw;
        }
    }

    private static UnpackedImage Stage(OpenedImage image, ImportRequest request, FolderHandle folder, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        image.RequireContent(cancellation);
        (StoreLayout store, ArtifactManifest manifest) = (image.Store, image.Manifest);
        var writer = new ImageWriter(folder, progress);
        if (manifest.IsEncrypted)
        {
            return Unpack(store, manifest.Files, request, folder, writer, cancellation);
        }

        using StoredPageReader pages = StoredPageReader.Open(store, manifest, request.SourcePath);
        RequireRoom(pages.Index.Length, request, folder, writer);
        UnpackedImage unpacked = Unpack(store, manifest.Files, request, folder, writer, cancellation);
        RequireNames(pages.Index, writer, request.SourcePath);
        foreach (StoredPages file in pages.Index.Files)
        {
            if (writer.NeedsNoHash(file.Name))
            {
                WriteParts(pages, file, writer, cancellation);
                continue;
            }

            var content = new StoredPageStream(pages, file);
            using Stream stream = file.Length > ReadAheadSize ? new ReadAheadStream(content, cancellation) : content;
            writer.Write(file.Name, (buffer, _) =>
            {
                cancellation.ThrowIfCancellationRequested();
                return stream.Read(buffer);
            });
        }

        return unpacked;
    }

    // Each group stands alone: with several threads the disk is the limit.
    private static void WriteParts(StoredPageReader pages, StoredPages file, ImageWriter writer, CancellationToken cancellation)
    {
        long[] offsets = new long[file.Groups.Length];
        for (int i = 1; i < offsets.Length; i++)
        {
            offsets[i] = offsets[i - 1] + file.Groups[i - 1].Length;
        }

        var options = new ParallelOptions { MaxDegreeOfParallelism = Math.Min(MaximumThreads, Environment.ProcessorCount), CancellationToken = cancellation };
        writer.WriteParts(file.Name, file.Length, write =>
        {
            try
            {
                Parallel.For(
                    0,
                    offsets.Length,
                    options,
                    static () => (Buffers: new StoredPageReader.Buffers(), Pages: new byte[PageIndex.GroupSize]),
                    (i, _, own) =>
                    {
                        pages.Read(file, file.Groups[i], own.Buffers, own.Pages);
                        write(offsets[i], own.Pages, file.Groups[i].Length);
                        return own;
                    },
                    static own => own.Buffers.Dispose());
            }
            catch (AggregateException e)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
            }
        });
    }

    // A file of the metadata is an archive like any other.
    private static UnpackedImage Unpack(StoreLayout store, Descriptor layer, ImportRequest request, FolderHandle folder, ImageWriter writer, CancellationToken cancellation)
    {
        SafeFileHandle file = store.OpenVerified(layer, request.SourcePath, cancellation);
        using ArchiveReader archive = ArchiveReader.Open(file, request.SourcePath, request.Identities, cancellation);
        return Unpacking.Run(archive, request.SourcePath, folder, request.MaximumSize, writer);
    }

    private static void RequireRoom(long size, ImportRequest request, FolderHandle folder, ImageWriter writer)
    {
        if (size > request.MaximumSize)
        {
            throw new CracException(
                CracReason.NoSpace, $"{request.SourcePath} has {size} bytes of pages, more than the {request.MaximumSize} that are allowed.", "Give a larger -MaximumSize, if you trust where the image comes from.");
        }

        if (size > writer.FreeSpace)
        {
            throw new CracException(
                CracReason.NoSpace, $"{request.SourcePath} has {size} bytes of pages, more than the {writer.FreeSpace} that are free at {folder.Path}.", "Free some space, or give -ImagePath on another file system.");
        }
    }

    private static void RequireNames(PageIndex index, ImageWriter writer, string where)
    {
        var taken = writer.Files.Select(static file => file.Name).ToHashSet(StringComparer.Ordinal);
        foreach (StoredPages file in index.Files)
        {
            if (!ArchiveEntryRules.IsOfImage(file.Name) || !ImageFileName.IsPages(file.Name) || !taken.Add(file.Name))
            {
                throw new CracException(CracReason.NotAnImage, $"{where} is refused: an image has no pages file '{file.Name}', or it is there twice.", "Get the image again from its source.");
            }
        }
    }
}
