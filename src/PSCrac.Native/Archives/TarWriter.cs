using System.Text;

namespace PSCrac.Archives;

/// <summary>
/// Writes a pax archive (pax in POSIX.1-2024) whose bytes depend on nothing but the names, times and contents: files have mode 0600
/// and owner 0. System.Formats.Tar is not used because it writes the process's id into pax headers.
/// </summary>
/// <param name="output">Where it is written to.</param>
/// <param name="modified">The time of each entry.</param>
internal sealed class TarWriter(Stream output, DateTimeOffset modified)
{
    private const int BlockSize = 512;
    private const int NameSize = 100;

    // Eleven octal digits of a ustar header.
    private const long MaximumOctalSize = (1L << 33) - 1;
    private readonly byte[] _block = new byte[BlockSize];

    /// <summary>Begins a file, whose content the caller writes to the stream before <see cref="EndFile"/>.</summary>
    /// <param name="path">Its path in the archive.</param>
    /// <param name="length">The length of the content, in bytes.</param>
    internal void BeginFile(string path, long length)
    {
        const int Mode = 0x180; // 0600
        var records = new StringBuilder();
        if (Encoding.UTF8.GetByteCount(path) > NameSize)
        {
            AppendRecord(records, "path", path);
        }

        if (length > MaximumOctalSize)
        {
            AppendRecord(records, "size", $"{length}");
        }

        if (records.Length > 0)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(records.ToString());
            WriteHeader("pax", 'x', Mode, bytes.Length);
            output.Write(bytes);
            EndFile(bytes.Length);
        }

        WriteHeader(path, '0', Mode, length > MaximumOctalSize ? 0 : length);
    }

    /// <summary>Ends a file: its content is filled up to whole blocks.</summary>
    internal void EndFile(long length)
    {
        int rest = (int)(length % BlockSize);
        if (rest != 0)
        {
            _block.AsSpan().Clear();
            output.Write(_block, 0, BlockSize - rest);
        }
    }

    /// <summary>Writes a folder, with mode 0700.</summary>
    internal void WriteFolder(string path) => WriteHeader(path + "/", '5', 0x1C0, 0);

    /// <summary>Writes the end of the archive.</summary>
    internal void WriteEnd()
    {
        _block.AsSpan().Clear();
        output.Write(_block);
        output.Write(_block);
    }

    private static void AppendRecord(StringBuilder records, string key, string value)
    {
        // The length of a record includes its own digits.
        int length = Encoding.UTF8.GetByteCount(value) + key.Length + 3;
        int whole = length + $"{length}".Length;
        whole = length + $"{whole}".Length;
        records.Append(System.Globalization.CultureInfo.InvariantCulture, $"{whole} {key}={value}\n");
    }

    private void WriteHeader(string path, char type, int mode, long size)
    {
        _block.AsSpan().Clear();
        WriteText(0, NameSize, path);
        WriteOctal(100, 8, mode);
        WriteOctal(108, 8, 0);
        WriteOctal(116, 8, 0);
        WriteOctal(124, 12, size);
        WriteOctal(136, 12, Math.Clamp(modified.ToUnixTimeSeconds(), 0, MaximumOctalSize));
        _block[156] = (byte)type;
        "ustar\0"u8.CopyTo(_block.AsSpan(257));
        "00"u8.CopyTo(_block.AsSpan(263));
        WriteOctal(329, 8, 0);
        WriteOctal(337, 8, 0);

        // The checksum counts its own field as blanks.
        _block.AsSpan(148, 8).Fill((byte)' ');
        int sum = 0;
        foreach (byte each in _block)
        {
            sum += each;
        }

        WriteOctal(148, 7, sum);
        output.Write(_block);
    }

    // A path that does not fit is whole in the pax record before.
    private void WriteText(int offset, int length, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        bytes.AsSpan(0, Math.Min(length, bytes.Length)).CopyTo(_block.AsSpan(offset));
    }

    private void WriteOctal(int offset, int length, long value)
    {
        _block[offset + length - 1] = 0;
        for (int i = length - 2; i >= 0; i--, value >>= 3)
        {
            _block[offset + i] = (byte)('0' + (value & 7));
        }
    }
}
