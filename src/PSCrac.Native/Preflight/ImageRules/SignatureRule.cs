using PSCrac.Archives.Signatures;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Who signed the image. Without a requirement the signature is only named: whether it counts is for the caller to ask.</summary>
internal sealed class SignatureRule : ImageRule
{
    private const string What = "signature";
    private const string Anew = "Have its maker sign the image anew with Protect-CracImage.";

    internal override void Examine(ImageSubject subject)
    {
        try
        {
            if (subject.Options.RequireSignature)
            {
                VerifiedSigner signer = SignatureCheck.Verify(subject.Image.Source, subject.Options.AllowedSigners, subject.Options.Cancellation);
                subject.Note(null, What, CracReason.SignerNotAllowed, $"The image was signed by {signer.Name}, with the key {signer.Key}.");
            }
            else if (SignatureCheck.Read(subject.Image.Source) is { } signature)
            {
                subject.Note(
                    null, What, CracReason.SignerNotAllowed,
                    $"The image claims to be signed with the key {signature.Signer}. With -RequireSignature this is verified.");
            }
        }
        catch (CracException e) when (subject.Options.RequireSignature)
        {
            subject.Block(null, What, e.Reason, e.Message, e.RecommendedAction ?? Anew);
        }
        catch (CracException e)
        {
            subject.Warn(null, What, e.Reason, e.Message, e.RecommendedAction ?? Anew);
        }
    }
}
