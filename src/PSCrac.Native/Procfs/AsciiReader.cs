using System.Buffers.Text;
using System.Text;

namespace PSCrac.Procfs;

/// <summary>Reads words and lines of a proc file without allocation.</summary>
internal ref struct AsciiReader(ReadOnlySpan<byte> text)
{
    private ReadOnlySpan<byte> _rest = text;

    /// <summary>The rest of the text.</summary>
    internal readonly ReadOnlySpan<byte> Rest => _rest;

    /// <summary>Reads the next line without its line feed; false at the end.</summary>
    internal bool TryReadLine(out ReadOnlySpan<byte> line)
    {
        if (_rest.IsEmpty)
        {
            line = default;
            return false;
        }

        int end = _rest.IndexOf((byte)'\n');
        if (end < 0)
        {
            line = _rest;
            _rest = default;
        }
        else
        {
            line = _rest[..end];
            _rest = _rest[(end + 1)..];
        }

        return true;
    }

    /// <summary>Reads the next line as "key: value"; false at the end. A line without a colon is all key.</summary>
    internal bool TryReadField(out ReadOnlySpan<byte> key, out AsciiReader value)
    {
        bool hasLine = TryReadLine(out ReadOnlySpan<byte> line);
        value = new AsciiReader(line);
        key = value.ReadUntil((byte)':');
        return hasLine;
    }

    /// <summary>Reads the next word, separated by spaces, tabs or line feeds; empty at the end.</summary>
    internal ReadOnlySpan<byte> ReadWord()
    {
        int start = 0;
        while (start < _rest.Length && IsBlank(_rest[start]))
        {
            start++;
        }

        int end = start;
        while (end < _rest.Length && !IsBlank(_rest[end]))
        {
            end++;
        }

        ReadOnlySpan<byte> word = _rest[start..end];
        _rest = _rest[end..];
        return word;
    }

    /// <summary>Reads up to and including <paramref name="mark"/>, and returns the text before it; the rest if there is no mark.</summary>
    internal ReadOnlySpan<byte> ReadUntil(byte mark)
    {
        int end = _rest.IndexOf(mark);
        ReadOnlySpan<byte> part = end < 0 ? _rest : _rest[..end];
        _rest = end < 0 ? default : _rest[(end + 1)..];
        return part;
    }

    /// <summary>Reads the next word as a decimal number; 0 if it is not a number.</summary>
    internal long ReadInt64() => ParseInt64(ReadWord());

    /// <summary>Reads the next word as an unsigned decimal number; 0 if it is not a number.</summary>
    internal ulong ReadUInt64() => Utf8Parser.TryParse(ReadWord(), out ulong value, out _) ? value : 0;

    /// <summary>Reads the next word as a decimal number; 0 if it is not a number.</summary>
    internal int ReadInt32() => (int)ReadInt64();

    /// <summary>Reads the next word as a hexadecimal number; 0 if it is not a number.</summary>
    internal ulong ReadHex() => ParseHex(ReadWord());

    /// <summary>Skips words.</summary>
    internal void Skip(int words)
    {
        for (; words > 0; words--)
        {
            ReadWord();
        }
    }

    /// <summary>Skips spaces, tabs and line feeds.</summary>
    internal void SkipBlanks()
    {
        int start = 0;
        while (start < _rest.Length && IsBlank(_rest[start]))
        {
            start++;
        }

        _rest = _rest[start..];
    }

    /// <summary>Parses a decimal number; 0 if it is not a number. Text after the digits is ignored.</summary>
    internal static long ParseInt64(ReadOnlySpan<byte> word) =>
        Utf8Parser.TryParse(word, out long value, out _) ? value : 0;

    /// <summary>Parses a hexadecimal number, with or without 0x; 0 if it is not a number.</summary>
    internal static ulong ParseHex(ReadOnlySpan<byte> word)
    {
        if (word.StartsWith("0x"u8))
        {
            word = word[2..];
        }

        return Utf8Parser.TryParse(word, out ulong value, out _, 'x') ? value : 0;
    }

    /// <summary>
    /// Decodes the octal escapes (such as \040) that proc uses for white space in paths;
    /// see seq_path() in the kernel. Bytes that are not UTF-8 become U+FFFD.
    /// </summary>
    internal static string Unescape(ReadOnlySpan<byte> path)
    {
        if (path.IndexOf((byte)'\\') < 0)
        {
            return Encoding.UTF8.GetString(path);
        }

        byte[] plain = new byte[path.Length];
        int length = 0;
        for (int i = 0; i < path.Length; i++)
        {
            if (path[i] == '\\' && i + 3 < path.Length && IsOctal(path[i + 1]) && IsOctal(path[i + 2]) && IsOctal(path[i + 3]))
            {
                plain[length++] = (byte)(((path[i + 1] - '0') << 6) | ((path[i + 2] - '0') << 3) | (path[i + 3] - '0'));
                i += 3;
            }
            else
            {
                plain[length++] = path[i];
            }
        }

        return Encoding.UTF8.GetString(plain, 0, length);
    }

    private static bool IsBlank(byte value) => value is (byte)' ' or (byte)'\t' or (byte)'\n';

    private static bool IsOctal(byte value) => value is >= (byte)'0' and <= (byte)'7';
}
