using PSCrac.Archives;
using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;

namespace PSCrac.Stores;

/// <summary>Which image is written to which store, and how.</summary>
internal sealed record StoreExportRequest
{
    /// <summary>The image.</summary>
    internal required CracImage Image { get; init; }

    /// <summary>The name it gets: a layout, with the full path of its folder, and a tag.</summary>
    internal required StoreName Target { get; init; }

    /// <summary>The image in the same store that it builds on; null for the one that the process was restored from, if the store has it.</summary>
    internal StoreName? Base { get; init; }

    /// <summary>
    /// The level of the compression, from 1 to <see cref="ZstandardWriter.MaximumLevel"/>; null for the usual one, which is higher for what
    /// differs from a base, since that is little.
    /// </summary>
    internal int? CompressionLevel { get; init; }

    /// <summary>Who can decrypt it; null where it is not encrypted.</summary>
    internal AgeRecipients? Recipients { get; init; }

    /// <summary>Whether a tag that is there is moved to this image.</summary>
    internal bool Force { get; init; }
}

/// <summary>What an export to a store has done.</summary>
/// <param name="Image">The image in the store.</param>
/// <param name="Others">The names of files in the image's folder that are not the image's, and were left out.</param>
/// <param name="Base">The name of the image that it builds on; null for a full image.</param>
internal sealed record StoreExportResult(CracStoredImage Image, IReadOnlyList<string> Others, string? Base);

/// <summary>Writes an image to a layout: content first, the tag last. A killed export leaves content that no tag needs.</summary>
internal static class StoreExport
{
    // Of what differs from a base.
    private const int DeltaLevel = 9;

    // Of the other files, while they are few: their size counts beside that of a difference.
    private const int SmallFilesLevel = 15;
    private const long SmallFilesSize = 4 << 20;

    /// <summary>Writes the image.</summary>
    /// <param name="request">The image and the store.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves no tag.</param>
    /// <exception cref="CracException">The image cannot be exported, or the store not be written.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal static StoreExportResult Run(StoreExportRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        try
        {
            ImageExport.RequireExportable(request.Image);
            using StoreLayout store = StoreLayout.Make(request.Target.Folder!, cancellation);
            store.RemoveAbandoned(cancellation);
            StoreCopy.RequireFree(store.ReadIndex(), request.Target, request.Force);
            (StoreTag Tag, ArtifactManifest Manifest)? full = FindBase(store, request);
            ImageSource source = request.Image.Source.Parent is null ? request.Image.Source : new FlatImageSource(request.Image);
            List<ImageFileInfo> files = ImageExport.SelectFiles(source, out List<string> others);
            IReadOnlyList<Descriptor> layers = request.Recipients is null
                ? WriteLayers(request, source, files, store, full?.Manifest, progress, cancellation)
                : [WriteArchive(request, source, files, ArtifactManifest.EncryptedType, store, progress, cancellation)];
            ArtifactManifest manifest = Describe(request, source, files, layers, full?.Tag.Manifest.Digest);
            Descriptor written = Commit(store, manifest, request, cancellation);
            return new StoreExportResult(new CracStoredImage(request.Target, written.Digest, manifest, full?.Tag.Tag), others, full?.Tag.Tag);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Export, processId: null, request.Image.Path);
            throw;
        }
    }

    private static IReadOnlyList<Descriptor> WriteLayers(
        StoreExportRequest request,
        ImageSource source,
        List<ImageFileInfo> files,
        StoreLayout store,
        ArtifactManifest? full,
        IProgress<CracProgress>? progress,
        CancellationToken cancellation)
    {
        List<ImageFileInfo> small = files.FindAll(static file => !ImageFileName.IsPages(file.Name));
        Descriptor first = WriteArchive(request, source, small, ArtifactManifest.FilesType, store, null, cancellation);
        List<PagePlan> plans = PagePlan.Make(source, files.Where(static file => ImageFileName.IsPages(file.Name)));
        using StoredPageReader? before = full is null ? null : StoredPageReader.OpenFull(store, full, request.Base?.ToString() ?? "the base");
        using var writer = new StoredPageWriter(request.CompressionLevel ?? (before is null ? ZstandardWriter.DefaultLevel : DeltaLevel), before, progress, cancellation);
        (Descriptor index, Descriptor pages) = writer.Write(source, plans, store);
        return full is null ? [first, index, pages] : [first, index, pages, full.Full.Index, full.Full.Pages];
    }

    private static Descriptor WriteArchive(
        StoreExportRequest request, ImageSource source, List<ImageFileInfo> files, string type, StoreLayout store, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        using BlobWriter blob = BlobWriter.Create(store);
        var archive = new ExportRequest
        {
            Image = request.Image,
            DestinationPath = store.Path,
            CompressionLevel = request.CompressionLevel ?? (files.Sum(static file => file.Length) <= SmallFilesSize ? SmallFilesLevel : ZstandardWriter.DefaultLevel),
            Recipients = request.Recipients,
        };
        ImageExport.Write(archive, source, files, blob.File, failure => StoreLayout.WriteFailed(failure, store.Path), progress, cancellation);
        return blob.CommitFile(type, cancellation);
    }

    private static ArtifactManifest Describe(StoreExportRequest request, ImageSource source, List<ImageFileInfo> files, IReadOnlyList<Descriptor> layers, string? baseDigest)
    {
        CracImage image = request.Image;
        bool isReadable = request.Recipients is null;
        return new ArtifactManifest
        {
            Layers = layers,
            Name = image.Name,
            Created = image.Created,
            Command = isReadable ? Shorten(image.Command) : null,
            ProcessId = isReadable ? image.RootProcessId : null,
            Memory = files.Where(static file => ImageFileName.IsPages(file.Name)).Sum(static file => file.Length),
            Size = files.Sum(static file => file.Length),
            ClaimedSigner = isReadable ? image.ClaimedSigner : null,
            BaseDigest = baseDigest,
            Identity = isReadable && ImageManifest.HashOf(source) is { } hash ? Descriptor.Algorithm + hash : null,
        };
    }

    private static Descriptor Commit(StoreLayout store, ArtifactManifest manifest, StoreExportRequest request, CancellationToken cancellation)
    {
        BlobWriter.Put(store, "", ArtifactManifest.EmptyConfiguration);
        Descriptor written = BlobWriter.Put(store, ArtifactManifest.MediaType, manifest.ToBytes());
        StoreCopy.SetTag(store, request.Target, written, request.Force, cancellation);
        return written;
    }

    // A base that is a delta leads to the full image that it builds on.
    private static (StoreTag, ArtifactManifest)? FindBase(StoreLayout store, StoreExportRequest request)
    {
        if (request.Recipients is not null)
        {
            return request.Base is null ? null : throw new CracException(
                CracReason.OptionRefused, "An encrypted image is stored whole: what is equal in its base cannot be found in it.", "Leave out -Base or -Recipient.");
        }

        if (request.Base is { } named)
        {
            (StoreTag tag, ArtifactManifest manifest) = StoredImages.Find(store, named);
            return manifest.IsEncrypted
                ? throw new CracException(CracReason.OptionRefused, $"The base {named} is encrypted, and its pages cannot be read.", "Give the tag of an image that is not encrypted.")
                : (tag, manifest);
        }

        return request.Image.Manifest?.RestoredFrom is { } identity && StoredImages.FindIdentity(store, Descriptor.Algorithm + identity) is { } found ? found : null;
    }

    private static string Shorten(string command)
    {
        const int Maximum = 1024;
        return command.Length <= Maximum ? command : command[..Maximum];
    }
}
