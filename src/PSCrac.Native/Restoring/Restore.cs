using PSCrac.Common;
using PSCrac.Jvm;
using PSCrac.Options;

namespace PSCrac.Restoring;

/// <summary>A restore: by criu, or of a JVM that checkpointed itself by java.</summary>
public static class Restore
{
    /// <summary>Restores a process tree from an image.</summary>
    /// <param name="request">What and how.</param>
    /// <param name="progress">Told of the phases; null for nobody.</param>
    /// <param name="cancellation">Cancelling ends what is restored so far.</param>
    /// <returns>The restored tree's root, running.</returns>
    /// <exception cref="CracException">It failed, and nothing of the tree runs.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, with the same outcome.</exception>
    public static CracRestoredProcess Run(RestoreRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellation.ThrowIfCancellationRequested();
        try
        {
            return RunEither(request, progress, cancellation);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Restore, request.Image.RootProcessId, request.Image.Path);
            throw;
        }
    }

    private static CracRestoredProcess RunEither(RestoreRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        request.RequireConsistent();
        if (JvmImage.IsOf(request.Image, request.Engine))
        {
            return JvmRestore.Run(request, progress, cancellation);
        }

        JvmRestoreSupport.RequireNothingOfJava(request);
        return CriuRestore.Run(request, progress, cancellation);
    }
}
