using System.Diagnostics.CodeAnalysis;
using PSCrac.Images.Manifest;

namespace PSCrac.Archives.Signatures;

/// <summary>A line of an allowed-signers file (ssh-keygen(1), ALLOWED SIGNERS).</summary>
/// <param name="Line">The line.</param>
/// <param name="Identity">A name that the line's principals match, with which it can be asked.</param>
/// <param name="Key">The public key in SSH's wire format.</param>
/// <param name="IsAuthority">Whether the key certifies the keys of others.</param>
internal sealed record AllowedSigner(string Line, string Identity, byte[] Key, bool IsAuthority)
{
    /// <summary>Reads a line; false for an empty line, a comment, and one that ssh-keygen could not use.</summary>
    internal static bool TryParse(string line, [NotNullWhen(true)] out AllowedSigner? signer)
    {
        signer = null;
        string trimmed = line.Trim();
        List<string> fields = trimmed.StartsWith('#') ? [] : Split(trimmed);
        int key = 1;
        bool isAuthority = false;
        if (fields.Count > 3 && SshKey(fields, 1) is null)
        {
            isAuthority = SplitOptions(fields[1]).Any(static option => option.Equals("cert-authority", StringComparison.OrdinalIgnoreCase));
            key = 2;
        }

        // A name that only excludes others matches nobody.
        string? identity = fields.Count == 0 ? null : fields[0].Trim('"').Split(',').FirstOrDefault(static each => each.Length > 0 && each[0] != '!');
        if (identity is null || SshKey(fields, key) is not { } blob)
        {
            return false;
        }

        signer = new AllowedSigner(trimmed, identity, blob, isAuthority);
        return true;
    }

    // The type and, behind it, the same type in the key.
    private static byte[]? SshKey(List<string> fields, int at)
    {
        if (fields.Count < at + 2)
        {
            return null;
        }

        byte[] blob = new byte[fields[at + 1].Length];
        return Convert.TryFromBase64String(fields[at + 1], blob, out int length) && SshSignature.TypeOf(blob.AsSpan(0, length)) == fields[at] ? blob[..length] : null;
    }

    // Fields are separated by blanks, of which those in quotation marks are none.
    private static List<string> Split(string line) => SplitAt(line, static character => character is ' ' or '\t');

    private static List<string> SplitOptions(string options) => SplitAt(options, static character => character == ',');

    private static List<string> SplitAt(string text, Func<char, bool> separates)
    {
        var fields = new List<string>();
        int start = 0;
        bool isQuoted = false;
        for (int i = 0; i <= text.Length; i++)
        {
            isQuoted ^= i < text.Length && text[i] == '"' && (i == 0 || text[i - 1] != '\\');
            if (i == text.Length || (!isQuoted && separates(text[i])))
            {
                if (i > start)
                {
                    fields.Add(text[start..i]);
                }

                start = i + 1;
            }
        }

        return fields;
    }
}
