using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Running;

namespace PSCrac.Restoring;

/// <summary>The restore operation: criu restores the image, or java does where a JVM checkpointed itself.</summary>
public static class Restore
{
    /// <summary>Restores a process tree from an image.</summary>
    /// <param name="request">The image and the options.</param>
    /// <param name="progress">Receives the phases; null for no reports.</param>
    /// <param name="cancellation">Cancelling kills what was restored so far.</param>
    /// <returns>The restored tree's root, running.</returns>
    /// <exception cref="CracException">The restore failed, and no process of the tree runs.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, and no process of the tree runs.</exception>
    public static CracRestoredProcess Run(RestoreRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellation.ThrowIfCancellationRequested();
        try
        {
            CracRestoredProcess restored = RunSelected(request, progress, cancellation);
            restored.ImagePath = request.Image.StoredName ?? restored.ImagePath;
            RunningProcesses.Add(restored.Id, restored.Command, record => record with
            {
                ImagePath = restored.ImagePath,
                ImageManifestHash = HashManifest(request.Image),
                Service = request.Service,
                NamespaceInitId = restored.NamespaceInitId,
                PageDaemonId = restored.LazyPages?.DaemonId,
            });
            return restored;
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Restore, request.Image.IsEncrypted ? null : request.Image.RootProcessId, request.Image.Path);
            throw;
        }
    }

    // The tree runs: an image that was removed meanwhile is no failure.
    private static string? HashManifest(CracImage image)
    {
        try
        {
            return ImageManifest.HashOf(image.Source);
        }
        catch (CracException)
        {
            return null;
        }
    }

    private static CracRestoredProcess RunSelected(RestoreRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        request.RequireConsistent();
        if (request.Image.IsArchive)
        {
            return ArchiveRestore.Run(request, unpacked => RunSelected(unpacked, progress, cancellation), progress, cancellation);
        }

        if (JvmImage.IsOf(request.Image, request.Engine))
        {
            return JvmRestore.Run(request, progress, cancellation);
        }

        JvmRestoreSupport.RequireNothingOfJava(request);
        return CriuRestore.Run(request, progress, cancellation);
    }
}
