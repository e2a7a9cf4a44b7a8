using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using PSCrac.Common;

namespace PSCrac.Images.Manifest;

/// <summary>
/// A detached SSH signature as <c>ssh-keygen -Y sign</c> writes it (OpenSSH's PROTOCOL.sshsig). It says with which key it claims to be
/// made; nothing of it is verified here.
/// </summary>
/// <param name="Text">The whole file: the armor and nothing else.</param>
/// <param name="KeyType">The type of the key, such as "ssh-ed25519", or of a certificate.</param>
/// <param name="Key">The public key in SSH's wire format.</param>
/// <param name="Namespace">What the signature is for.</param>
internal sealed record SshSignature(byte[] Text, string KeyType, byte[] Key, string Namespace)
{
    /// <summary>Larger files are refused: a signature by a certificate with many principals has some kilobytes.</summary>
    internal const int MaximumSize = 64 << 10;

    private const string CertificateSuffix = "-cert-v01@openssh.com";
    private const uint Version = 1;

    private static ReadOnlySpan<byte> Begin => "-----BEGIN SSH SIGNATURE-----\n"u8;

    private static ReadOnlySpan<byte> End => "-----END SSH SIGNATURE-----"u8;

    private static ReadOnlySpan<byte> Magic => "SSHSIG"u8;

    /// <summary>The key as ssh-keygen -l shows it: "ssh-ed25519 SHA256:…"; of a certificate the hash is that of the whole certificate.</summary>
    internal string Signer => $"{KeyType} {Fingerprint(Key)}";

    /// <summary>Whether the key is certified by an authority.</summary>
    internal bool HasCertificate => KeyType.EndsWith(CertificateSuffix, StringComparison.Ordinal);

    /// <summary>The fingerprint of a public key, as ssh-keygen shows it.</summary>
    internal static string Fingerprint(ReadOnlySpan<byte> key)
    {
        Span<byte> hash = stackalloc byte[Sha256.Length];
        Sha256.Hash(key, hash);
        return "SHA256:" + Convert.ToBase64String(hash).TrimEnd('=');
    }

    /// <summary>
    /// Reads a signature file. Anything before or behind the armor is refused: OpenSSH ignores it, and who relies on the file could be
    /// shown something that nobody signed.
    /// </summary>
    /// <param name="text">The content of the file.</param>
    /// <param name="signature">The signature.</param>
    /// <param name="fault">What is wrong with it, as the end of a sentence; null if nothing is.</param>
    internal static bool TryParse(ReadOnlySpan<byte> text, [NotNullWhen(true)] out SshSignature? signature, [NotNullWhen(false)] out string? fault)
    {
        signature = null;
        fault = "is not an SSH signature";
        if (!text.StartsWith(Begin) || text[Begin.Length..].IndexOf(End) is not (> 0 and var length))
        {
            return false;
        }

        ReadOnlySpan<byte> behind = text[(Begin.Length + length + End.Length)..];
        if (behind.Length > 1 || (behind.Length == 1 && behind[0] != (byte)'\n'))
        {
            fault = $"has {behind.Length} bytes behind the signature";
            return false;
        }

        byte[] blob;
        try
        {
            blob = Convert.FromBase64String(Encoding.ASCII.GetString(text.Slice(Begin.Length, length)));
        }
        catch (FormatException)
        {
            return false;
        }

        ReadOnlySpan<byte> rest = blob;
        if (!rest.StartsWith(Magic) || rest.Length < Magic.Length + sizeof(uint) || BinaryPrimitives.ReadUInt32BigEndian(rest[Magic.Length..]) != Version)
        {
            return false;
        }

        rest = rest[(Magic.Length + sizeof(uint))..];
        if (!TryReadString(ref rest, out ReadOnlySpan<byte> key) || !TryReadString(ref rest, out ReadOnlySpan<byte> purpose) || TypeOf(key) is not { } type)
        {
            return false;
        }

        (signature, fault) = (new SshSignature(text.ToArray(), type, key.ToArray(), Encoding.UTF8.GetString(purpose)), null);
        return true;
    }

    /// <summary>The type that a public key begins with; null if it is none.</summary>
    internal static string? TypeOf(ReadOnlySpan<byte> key) =>
        TryReadString(ref key, out ReadOnlySpan<byte> type) && !type.IsEmpty && !type.ContainsAnyExceptInRange((byte)'!', (byte)'~') ? Encoding.ASCII.GetString(type) : null;

    // A length of four bytes, then the content (RFC 4251, section 5).
    private static bool TryReadString(ref ReadOnlySpan<byte> from, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (from.Length < sizeof(uint) || BinaryPrimitives.ReadUInt32BigEndian(from) is var length && length > from.Length - sizeof(uint))
        {
            return false;
        }

        value = from.Slice(sizeof(uint), (int)length);
        from = from[(sizeof(uint) + (int)length)..];
        return true;
    }
}
