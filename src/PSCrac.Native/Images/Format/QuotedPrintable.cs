using System.Text;

namespace PSCrac.Images.Format;

/// <summary>Quoted-printable (RFC 2045) for the names of unix sockets, which are mostly text but may hold any byte.</summary>
internal static class QuotedPrintable
{
    private const int LineLength = 76;

    /// <summary>Encodes as Python's quopri does, which crit uses.</summary>
    internal static string Encode(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length + 16);
        int column = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            byte b = bytes[i];
            byte next = i + 1 < bytes.Length ? bytes[i + 1] : (byte)0;
            bool last = i + 1 == bytes.Length;
            if (NeedsQuoting(b, next, last, column))
            {
                if (column + 3 >= LineLength)
                {
                    text.Append("=\n");
                    column = 0;
                }

                text.Append('=').Append(b.ToString("X2", null));
                column += 3;
            }
            else if (b == '\n' || (b == '\r' && next == '\n'))
            {
                QuoteTrailingBlank(text);
                text.Append('\n');
                column = 0;
                i += b == '\r' ? 1 : 0;
            }
            else
            {
                if (!last && next != '\n' && column + 1 >= LineLength)
                {
                    text.Append("=\n");
                    column = 0;
                }

                text.Append((char)b);
                column++;
            }
        }

        return text.ToString();
    }

    /// <summary>
    /// Decodes the result of <see cref="Encode"/> to text as proc shows a socket's name: trailing zero bytes are omitted,
    /// others are shown as @.
    /// </summary>
    internal static string DecodeForDisplay(string text)
    {
        var bytes = new List<byte>(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '=')
            {
                bytes.Add((byte)text[i]);
            }
            else if (i + 1 < text.Length && text[i + 1] == '\n')
            {
                i++;
            }
            else if (i + 2 < text.Length && byte.TryParse(text.AsSpan(i + 1, 2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out byte b))
            {
                bytes.Add(b);
                i += 2;
            }
        }

        while (bytes.Count > 0 && bytes[^1] == 0)
        {
            bytes.RemoveAt(bytes.Count - 1);
        }

        for (int i = 0; i < bytes.Count; i++)
        {
            bytes[i] = bytes[i] == 0 ? (byte)'@' : bytes[i];
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    private static bool NeedsQuoting(byte b, byte next, bool last, int column) => b switch
    {
        > 126 or (byte)'=' => true,
        (byte)'.' => column == 0 && (last || next is (byte)'\n' or (byte)'\r' or 0),
        (byte)' ' or (byte)'\t' => last,
        (byte)'\r' or (byte)'\n' => false,
        _ => b < 33,
    };

    private static void QuoteTrailingBlank(StringBuilder text)
    {
        if (text.Length > 0 && text[^1] is ' ' or '\t')
        {
            int blank = text[^1];
            text.Length--;
            text.Append('=').Append(blank.ToString("X2", null));
        }
    }
}
