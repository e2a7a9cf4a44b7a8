using PSCrac.Archives;
using PSCrac.Archives.Signatures;
using PSCrac.Common;
using PSCrac.Options;

namespace PSCrac.Restoring;

/// <summary>A restore from an archive: the image is unpacked for it, and removed when the tree runs. A page daemon has open what it still reads.</summary>
internal static class ArchiveRestore
{
    /// <summary>Restores a process tree.</summary>
    /// <param name="request">The request, for an archive.</param>
    /// <param name="restore">The restore of the unpacked image.</param>
    /// <param name="progress">Receives the phases; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    internal static CracRestoredProcess Run(
        RestoreRequest request, Func<RestoreRequest, CracRestoredProcess> restore, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        var signature = new SignatureRequirement(request.RequireSignature, request.AllowedSigners);
        using TemporaryImage temporary = TemporaryImage.Unpack(request.Image, request.SkipTrustCheck, signature, out CracImage image, progress, cancellation);
        CracRestoredProcess restored = restore(request with { Image = image });
        restored.ImagePath = request.Image.Path;
        return restored;
    }
}
