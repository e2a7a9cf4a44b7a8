using PSCrac.Images.Storage;

namespace PSCrac.Archives.Signatures;

/// <summary>What a caller wants of the signature of an image that comes from elsewhere.</summary>
/// <param name="IsRequired">Whether an allowed signer must have signed it.</param>
/// <param name="AllowedSigners">The full path of the file that says whose signatures count; null for the usual one.</param>
internal sealed record SignatureRequirement(bool IsRequired = false, string? AllowedSigners = null)
{
    /// <summary>
    /// Verifies the signature of an image. One that is there must be of the image, required or not. Whoever made it may be unknown where
    /// it is not required.
    /// </summary>
    /// <param name="source">The image's files, which nobody else can change any more.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="CracException">What <see cref="SignatureCheck"/> throws.</exception>
    internal SignatureFinding Examine(ImageSource source, CancellationToken cancellation)
    {
        if (!IsRequired && SignatureCheck.Read(source) is null)
        {
            return new SignatureFinding(Signer: null, Doubt: null, LacksFile: false);
        }

        try
        {
            return new SignatureFinding(SignatureCheck.Verify(source, AllowedSigners, cancellation), Doubt: null, LacksFile: false);
        }
        catch (CracException e) when (!IsRequired && MayBeUnknown(e.Reason))
        {
            if (e.Reason != CracReason.ProgramMissing)
            {
                SignatureCheck.RequireIntact(source, cancellation);
            }

            return new SignatureFinding(Signer: null, $"Who signed the image was not verified. {e.Message}", LacksFile: e.Reason == CracReason.FileMissing);
        }
    }

    // A file that the caller names must be there.
    private bool MayBeUnknown(CracReason reason) =>
        reason is CracReason.SignerNotAllowed or CracReason.ProgramMissing
        || (AllowedSigners is null && reason is CracReason.FileMissing or CracReason.FileNotTrusted or CracReason.PermissionDenied);
}

/// <summary>What was found out about the signature of an image.</summary>
/// <param name="Signer">Who signed it; null if that was not verified, or nobody did.</param>
/// <param name="Doubt">Why a signature that is there says nothing about who made it, as sentences; null if it does, or there is none.</param>
/// <param name="LacksFile">Whether the doubt is only that there is no allowed-signers file, as on most machines.</param>
internal sealed record SignatureFinding(VerifiedSigner? Signer, string? Doubt, bool LacksFile);
