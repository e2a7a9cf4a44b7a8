using PSCrac.Preflight.Subjects;

namespace PSCrac.Stores;

/// <summary>Whether an image is restored from a store as it is: a restore runs what is in it.</summary>
internal static class StoreTrust
{
    /// <summary>Refuses a store that someone else could have written to.</summary>
    /// <param name="name">The image in the store, with the full path of the folder.</param>
    /// <exception cref="CracException"><see cref="CracReason.ImageNotTrusted"/>.</exception>
    internal static void Require(StoreName name)
    {
        if (name.IsRegistry)
        {
            throw new CracException(
                CracReason.ImageNotTrusted,
                $"{name} is in a registry, and whoever can write to it could have put anything in the image, which the restore would run.",
                "Give -RequireSignature, with which an allowed signer must have signed it, or import it with Import-CracImage; or give -SkipTrustCheck if you trust the registry.");
        }

        using ImageTrust trust = ImageTrust.Examine(name.Folder!);
        if (trust.Findings is [var first, ..])
        {
            throw new CracException(
                first.Reason,
                $"{first.What}: {first.Why}",
                first.Reason == CracReason.ImageNotTrusted ? "Give -RequireSignature, with which an allowed signer must have signed the image, or import it with Import-CracImage; or give -SkipTrustCheck." : first.RecommendedAction);
        }
    }
}
