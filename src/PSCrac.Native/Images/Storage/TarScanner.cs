using System.Text;

namespace PSCrac.Images.Storage;

/// <summary>A file in a tar archive: its name, its length, and where its bytes begin in the (unpacked) archive.</summary>
internal readonly record struct TarMember(string Name, long Length, long Offset);

/// <summary>
/// Reads the headers of a tar archive in order: ustar, GNU long names, pax paths and sizes. System.Formats.Tar is not used
/// because it does not give the offset of a file's content, also in a compressed archive.
/// </summary>
internal sealed class TarScanner(Stream stream, string imagePath, string name)
{
    private const int BlockSize = 512;
    private const int MaximumMembers = 1 << 20;
    private readonly byte[] _block = new byte[BlockSize];
    private string? _longName;
    private long? _longSize;
    private long _position;
    private long _next;
    private int _members;

    /// <summary>Reads the next file's header; null at the end. Directories, links and devices are skipped.</summary>
    internal TarMember? Next()
    {
        while (true)
        {
            SkipTo(_next);
            if (!ReadBlock() || _block.AsSpan().IndexOfAnyExcept((byte)0) < 0)
            {
                return null;
            }

            long header = _position - BlockSize;
            if (!HasValidChecksum() || ++_members > MaximumMembers)
            {
                throw Damaged(header, "it does not contain a tar header there");
            }

            long size = _longSize ?? ParseNumber(124, 12);
            if (size < 0 || size > long.MaxValue - _position - BlockSize)
            {
                throw Damaged(header, "a file has an invalid size");
            }

            long data = _position;
            _next = data + ((size + BlockSize - 1) / BlockSize * BlockSize);
            switch ((char)_block[156])
            {
                case 'L':
                    _longName = DecodeText(ReadData(size));
                    continue;
                case 'x':
                    ReadPax(ReadData(size));
                    continue;
                case 'K' or 'g':
                    continue;
            }

            bool isFile = _block[156] is 0 or (byte)'0' or (byte)'7';
            string path = _longName ?? HeaderName();
            _longName = null;
            _longSize = null;
            if (isFile)
            {
                return new TarMember(Normalize(path), size, data);
            }
        }
    }

    /// <summary>Reads the content of the member that <see cref="Next"/> returned; throws ImageIncomplete if the archive ends first.</summary>
    internal byte[] Read(TarMember member) => ReadData(member.Length);

    private static string Normalize(string path)
    {
        ReadOnlySpan<char> rest = path;
        while (rest.StartsWith("./") || rest.StartsWith("/"))
        {
            rest = rest[(rest[0] == '.' ? 2 : 1)..];
        }

        return rest.ToString();
    }

    private static string DecodeText(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }

    private string HeaderName()
    {
        string own = DecodeText(_block.AsSpan(0, 100));
        string prefix = _block.AsSpan(257, 6).SequenceEqual("ustar\0"u8) ? DecodeText(_block.AsSpan(345, 155)) : "";
        return prefix.Length == 0 ? own : $"{prefix}/{own}";
    }

    /// <summary>Parses octal digits or, if the first bit is set, a big-endian number.</summary>
    private long ParseNumber(int offset, int length)
    {
        ReadOnlySpan<byte> field = _block.AsSpan(offset, length);
        long value = 0;
        if ((field[0] & 0x80) != 0)
        {
            foreach (byte b in field[^8..])
            {
                value = (value << 8) | b;
            }

            return value;
        }

        foreach (byte b in field)
        {
            if (b is >= (byte)'0' and <= (byte)'7')
            {
                value = (value * 8) + (b - '0');
            }
            else if (b is 0 || (b is (byte)' ' && value != 0))
            {
                break;
            }
        }

        return value;
    }

    private bool HasValidChecksum()
    {
        long expected = ParseNumber(148, 8);
        long sum = 8 * ' ';
        for (int i = 0; i < BlockSize; i++)
        {
            sum += i is >= 148 and < 156 ? 0 : _block[i];
        }

        return sum == expected;
    }

    /// <summary>pax records: "LENGTH KEY=VALUE\n", the length counting the whole record.</summary>
    private void ReadPax(ReadOnlySpan<byte> records)
    {
        while (!records.IsEmpty)
        {
            int blank = records.IndexOf((byte)' ');
            if (blank <= 0 || !int.TryParse(records[..blank], out int length) || length <= blank + 1 || length > records.Length)
            {
                return;
            }

            string record = Encoding.UTF8.GetString(records[(blank + 1)..(length - 1)]);
            records = records[length..];
            if (record.StartsWith("path=", StringComparison.Ordinal))
            {
                _longName = record[5..];
            }
            else if (record.StartsWith("size=", StringComparison.Ordinal) && long.TryParse(record.AsSpan(5), out long size))
            {
                _longSize = size;
            }
        }
    }

    private byte[] ReadData(long size)
    {
        if (size > ArchiveImageSource.MaximumKeptFileSize)
        {
            throw Damaged(_position, $"a header record of {size} bytes exceeds the limit");
        }

        // The size may be wrong: allocate only as data is read.
        using var kept = new MemoryStream((int)Math.Min(size, 64 << 10));
        byte[] part = new byte[Math.Min(size, 64 << 10)];
        while (kept.Length < size)
        {
            int read = ReadSome(part.AsSpan(0, (int)Math.Min(part.Length, size - kept.Length)));
            if (read == 0)
            {
                throw Truncated();
            }

            kept.Write(part, 0, read);
        }

        return kept.ToArray();
    }

    private bool ReadBlock()
    {
        int done = 0;
        while (done < BlockSize)
        {
            int read = ReadSome(_block.AsSpan(done));
            if (read == 0)
            {
                return done == 0 ? false : throw Truncated();
            }

            done += read;
        }

        return true;
    }

    private void SkipTo(long position)
    {
        if (stream.CanSeek)
        {
            _position = Math.Min(position, stream.Length);
            stream.Position = _position;
            if (_position < position)
            {
                throw Truncated();
            }

            return;
        }

        Span<byte> discarded = stackalloc byte[4096];
        while (_position < position)
        {
            if (ReadSome(discarded[..(int)Math.Min(discarded.Length, position - _position)]) == 0)
            {
                throw Truncated();
            }
        }
    }

    private int ReadSome(Span<byte> buffer)
    {
        try
        {
            int read = stream.Read(buffer);
            _position += read;
            return read;
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw Damaged(_position, e.Message.TrimEnd('.'));
        }
    }

    private CracException Truncated() => Fault(CracReason.ImageIncomplete, _position, $"{name} is truncated at offset {_position}.");

    private CracException Damaged(long offset, string what) => Fault(CracReason.ImageCorrupt, offset, $"{name} is damaged at offset {offset} of its content: {what}.");

    private CracException Fault(CracReason reason, long offset, string message) =>
        new(reason, message, "Export the checkpoint again, or copy the archive again.") { ImagePath = imagePath, FileName = name, FileOffset = offset };
}
