using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Archives.Signatures;

/// <summary>Verifies the signature over an image's manifest, which has the hash of every other file.</summary>
internal static class SignatureCheck
{
    private const int MaximumManifest = 16 << 20;

    /// <summary>Verifies the signature of an image.</summary>
    /// <param name="source">The image's files.</param>
    /// <param name="allowedSigners">The path of the allowed-signers file; null for the usual one.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>Who signed it, and with which key.</returns>
    /// <exception cref="CracException">
    /// There is none (<see cref="CracReason.SignatureMissing"/>), it is not of this manifest or the manifest lacks hashes
    /// (<see cref="CracReason.SignatureInvalid"/>), nobody allowed made it (<see cref="CracReason.SignerNotAllowed"/>), or it could not
    /// be verified (<see cref="CracReason.ProgramMissing"/>, <see cref="CracReason.FileMissing"/>).
    /// </exception>
    internal static VerifiedSigner Verify(ImageSource source, string? allowedSigners, CancellationToken cancellation)
    {
        SshSignature signature = Read(source) ?? throw new CracException(
            CracReason.SignatureMissing,
            $"{source.Path} has no signature ({ImageManifest.SignatureFileName}).",
            "Have its maker sign it with Protect-CracImage, or leave -RequireSignature out if you trust its source.");
        using ImageFile file = OpenManifest(source, cancellation);
        byte[] text = ReadWhole(source, file, MaximumManifest);
        VerifiedSigner signer = Verify(source, signature, text, AllowedSigners.Read(allowedSigners), cancellation);

        // What is believed is what was verified.
        RequireHashes(source, ImageManifest.Parse(file, text));
        return signer;
    }

    /// <summary>
    /// Refuses an image whose signature is not of its manifest, whoever made it. That gives no trust: anyone can make a signature.
    /// </summary>
    /// <param name="source">The image's files; one without a signature passes.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="CracException"><see cref="CracReason.SignatureInvalid"/>, <see cref="CracReason.ProgramMissing"/>.</exception>
    internal static void RequireIntact(ImageSource source, CancellationToken cancellation)
    {
        if (Read(source) is not { } signature)
        {
            return;
        }

        using ImageFile file = OpenManifest(source, cancellation);
        byte[] text = ReadWhole(source, file, MaximumManifest);
        using SafeFileHandle signatureFile = InMemory(signature.Text);
        const string Anyone = "anyone";
        string line = $"{Anyone} namespaces=\"{SshKeygen.Namespace}\" {signature.KeyType} {Convert.ToBase64String(signature.Key)}";
        if (Verify(line, Anyone, signatureFile, text, cancellation).ExitCode != 0)
        {
            throw NotOfManifest(source);
        }

        RequireHashes(source, ImageManifest.Parse(file, text));
    }

    /// <summary>The signature of an image, which is not verified yet; null if it has none.</summary>
    /// <exception cref="CracException">It is no signature (<see cref="CracReason.SignatureInvalid"/>).</exception>
    internal static SshSignature? Read(ImageSource source)
    {
        using ImageFile? file = source.TryOpen(ImageManifest.SignatureFileName);
        return file is null ? null
            : SshSignature.TryParse(ReadWhole(source, file, SshSignature.MaximumSize), out SshSignature? signature, out string? fault) ? signature
            : throw Invalid(source, $"has a {ImageManifest.SignatureFileName} that {fault}");
    }

    private static ImageFile OpenManifest(ImageSource source, CancellationToken cancellation) =>
        source.TryOpen(ImageManifest.FileName, cancellation) ?? throw Invalid(source, $"has a signature but no {ImageManifest.FileName}");

    private static byte[] ReadWhole(ImageSource source, ImageFile file, int maximum)
    {
        if (file.Length > maximum)
        {
            throw Invalid(source, $"has a {file.Name} of {file.Length} bytes, more than any valid one has");
        }

        byte[] content = new byte[file.Length];
        file.ReadExactlyAt(0, content);
        return content;
    }

    // Each line is asked alone: ssh-keygen stops at the first that has the key, whatever namespaces and times the others allow.
    private static VerifiedSigner Verify(ImageSource source, SshSignature signature, byte[] manifest, AllowedSigners allowed, CancellationToken cancellation)
    {
        using SafeFileHandle signatureFile = InMemory(signature.Text);
        string? refusal = null;
        foreach (AllowedSigner signer in allowed.Signers)
        {
            if (signer.IsAuthority ? !signature.HasCertificate : !signer.Key.AsSpan().SequenceEqual(signature.Key))
            {
                continue;
            }

            string identity = signer.IsAuthority ? FindCertified(signer.Line, signatureFile, cancellation) ?? signer.Identity : signer.Identity;
            SshKeygenResult result = Verify(signer.Line, identity, signatureFile, manifest, cancellation);
            if (result.ExitCode == 0)
            {
                return new VerifiedSigner(identity, signature.Signer);
            }

            refusal = result.Errors;
        }

        if (refusal is null)
        {
            throw new CracException(
                CracReason.SignerNotAllowed,
                $"{source.Path} claims to be signed with the key {signature.Signer}, which {allowed.Path} does not list.",
                $"If you trust who has this key, add it to {allowed.Path} (ssh-keygen(1), ALLOWED SIGNERS), or name another file with -AllowedSigners.");
        }

        throw refusal.Contains("incorrect signature", StringComparison.Ordinal)
            ? NotOfManifest(source)
            : new CracException(
                CracReason.SignerNotAllowed,
                $"{source.Path} claims to be signed with the key {signature.Signer}, which {allowed.Path} does not allow for this: {refusal.ReplaceLineEndings("; ")}",
                $"Look at the line's namespaces, which must have \"{SshKeygen.Namespace}\", and its valid-after and valid-before, which are judged by today.");
    }

    private static SshKeygenResult Verify(string line, string identity, SafeFileHandle signature, byte[] manifest, CancellationToken cancellation)
    {
        using SafeFileHandle allowed = InMemory(Encoding.UTF8.GetBytes(line + "\n"));
        return SshKeygen.Run(
            ["-Y", "verify", "-n", SshKeygen.Namespace, "-I", identity, "-f", PathOf(allowed), "-s", PathOf(signature)], manifest, cancellation);
    }

    // A certificate has names of its own, of which one must match the line's.
    private static string? FindCertified(string line, SafeFileHandle signature, CancellationToken cancellation)
    {
        using SafeFileHandle allowed = InMemory(Encoding.UTF8.GetBytes(line + "\n"));
        SshKeygenResult found = SshKeygen.Run(["-Y", "find-principals", "-f", PathOf(allowed), "-s", PathOf(signature)], [], cancellation);
        return found.ExitCode == 0 ? found.Output.Split('\n')[0] : null;
    }

    // A manifest without the hash of a file would let anyone exchange the file.
    private static void RequireHashes(ImageSource source, ImageManifest manifest)
    {
        if (manifest.Files.FirstOrDefault(static file => file.Sha256 is null) is { } without)
        {
            throw Invalid(source, $"is signed, but its {ImageManifest.FileName} has no hash of {without.Name}");
        }
    }

    private static SafeFileHandle InMemory(byte[] content)
    {
        SafeFileHandle file = LibC.CreateMemoryFile("pscrac-signature", out Errno errno);
        if (errno != 0)
        {
            throw new CracException(CracReason.Unknown, $"No memory file could be made: {LibC.Message(errno)}.", null);
        }

        RandomAccess.Write(file, content, 0);
        return file;
    }

    // For another process, which opens it anew.
    private static string PathOf(SafeFileHandle file) => string.Create(null, $"/proc/{Environment.ProcessId}/fd/{file.DangerousGetHandle()}");

    private static CracException NotOfManifest(ImageSource source) =>
        Invalid(source, $"was changed after it was signed: the signature is not of its {ImageManifest.FileName}");

    private static CracException Invalid(ImageSource source, string what) => new(
        CracReason.SignatureInvalid, $"{source.Path} {what}.", "Get the image again from its source, or have its maker sign it anew with Protect-CracImage.");
}

/// <summary>Who signed an image.</summary>
/// <param name="Name">The name in the allowed-signers file.</param>
/// <param name="Key">The key's type and fingerprint.</param>
internal sealed record VerifiedSigner(string Name, string Key);
