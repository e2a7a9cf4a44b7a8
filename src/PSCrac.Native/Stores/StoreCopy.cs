using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Storage;

namespace PSCrac.Stores;

/// <summary>Copies an image from one store to another, with the same digest. Content that is there is not copied again.</summary>
internal static class StoreCopy
{
    private const int BufferSize = 1 << 20;

    /// <summary>Copies an image.</summary>
    /// <param name="from">The image, with a tag.</param>
    /// <param name="to">Its new name, with a tag.</param>
    /// <param name="access">How a registry is reached.</param>
    /// <param name="force">Whether a tag that is there is moved.</param>
    /// <param name="progress">Receives how much is copied; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves no tag.</param>
    /// <exception cref="CracException">There is no such image, it is damaged, or the other store cannot be written.</exception>
    internal static CracStoredImage Run(StoreName from, StoreName to, RegistryAccess access, bool force, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        try
        {
            using var image = OpenedImage.Open(from, access, cancellation);
            return to.IsRegistry ? Push(image, to, new Registry(access), force, cancellation) : Copy(image, to, force, progress, cancellation);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Export, processId: null, from.ToString());
            throw;
        }
    }

    /// <summary>Sets a tag whose content is there.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageExists"/>: there is one already.</exception>
    internal static void SetTag(StoreLayout store, StoreName name, Descriptor manifest, bool force, CancellationToken cancellation)
    {
        StoreLayout.Require(Interop.LibC.Sync(store.Blobs.Handle), store.Path);
        using FolderHandle locked = store.LockIndex(cancellation);
        StoreIndex index = store.ReadIndex();
        RequireFree(index, name, force);
        cancellation.ThrowIfCancellationRequested();
        index.Set(name.Tag!, manifest);
        store.WriteIndex(index);
    }

    /// <summary>Refuses a tag that is there, unless it is to be moved.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageExists"/>.</exception>
    internal static void RequireFree(StoreIndex index, StoreName name, bool force)
    {
        if (!force && index.Find(name.Tag!) is not null)
        {
            throw new CracException(CracReason.ImageExists, $"The store has an image with the tag {name.Tag} already: {name}.", "Give another tag, or replace it with -Force.");
        }
    }

    private static CracStoredImage Push(OpenedImage image, StoreName to, Registry registry, bool force, CancellationToken cancellation)
    {
        RegistryExport.RequireFree(registry, to, force, cancellation);
        image.RequireContent(cancellation);
        registry.Push(image.Store, image.Put(image.Store), to, cancellation);
        return registry.Show(to, cancellation);
    }

    private static CracStoredImage Copy(OpenedImage image, StoreName to, bool force, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        using StoreLayout store = StoreLayout.Make(to.Folder!, cancellation);
        store.RemoveAbandoned(cancellation);
        RequireFree(store.ReadIndex(), to, force);
        image.RequireContent(cancellation);
        long expected = image.Manifest.Layers.Sum(static layer => layer.Size);
        long done = 0;
        foreach (Descriptor layer in image.Manifest.Layers)
        {
            if (!store.Contains(layer))
            {
                Copy(image, layer, store, part => progress?.Report(new CracProgress(CracPhase.Packing, done += part, expected)), cancellation);
            }
        }

        SetTag(store, to, image.Put(store), force, cancellation);
        return StoredImages.Show(store, to);
    }

    private static void Copy(OpenedImage image, Descriptor layer, StoreLayout store, Action<int> copied, CancellationToken cancellation)
    {
        using SafeFileHandle file = image.Store.OpenBlob(layer, image.Name.ToString());
        using BlobWriter writer = BlobWriter.Create(store);
        byte[] buffer = new byte[BufferSize];
        for (int read; (read = RandomAccess.Read(file, buffer, writer.Length)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            writer.Write(buffer.AsSpan(0, read));
            copied(read);
        }

        if (!writer.HasDigest(layer))
        {
            throw StoreLayout.Damaged(layer, image.Name.ToString());
        }

        writer.Commit(layer.MediaType);
    }
}
