using PSCrac.Common;

namespace PSCrac.Stores;

/// <summary>Writes images to a registry: first to <see cref="PulledStore"/>, from where what the registry lacks is transferred.</summary>
internal static class RegistryExport
{
    /// <summary>Writes an image.</summary>
    /// <param name="request">The image, and its name in the registry; the base too is one of this repository.</param>
    /// <param name="access">How the registry is reached.</param>
    /// <param name="progress">Receives how much is packed; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves no tag.</param>
    /// <exception cref="CracException">The image cannot be exported, or the registry not be reached.</exception>
    internal static StoreExportResult Run(StoreExportRequest request, RegistryAccess access, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        StoreName target = request.Target;
        try
        {
            var registry = new Registry(access);
            RequireFree(registry, target, request.Force, cancellation);
            string? baseDigest = null;
            if (request.Base is { } named)
            {
                using var full = OpenedImage.Open(named, access, cancellation);
                full.RequireContent(cancellation);
                baseDigest = full.Digest;
            }

            using StoreLayout store = PulledStore.Open(request.Image.Size, cancellation);
            StoreName local = PulledStore.NameOf($"push:{Guid.NewGuid():N}");
            StoreExportResult result = StoreExport.Run(request with { Target = local, Base = baseDigest is null ? null : PulledStore.NameOf(baseDigest) }, progress, cancellation);
            try
            {
                Descriptor manifest = StoredImages.Find(store, local).Tag.Manifest;
                registry.Push(store, manifest, target, cancellation);
                PulledStore.Keep(store, manifest, cancellation);
            }
            finally
            {
                StoreCare.RemoveTag(local, CancellationToken.None);
            }

            var image = new CracStoredImage(target, result.Image.Digest, result.Image.Manifest, request.Base?.Tag);
            return result with { Image = image, Base = image.Base };
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Export, processId: null, request.Image.Path);
            throw;
        }
    }

    /// <summary>Refuses a tag that is there, unless it is to be moved.</summary>
    internal static void RequireFree(Registry registry, StoreName name, bool force, CancellationToken cancellation)
    {
        if (!force && registry.Contains(name, cancellation))
        {
            throw new CracException(CracReason.ImageExists, $"The repository has an image with the tag {name.Tag} already: {name}.", "Give another tag, or replace it with -Force.");
        }
    }
}
