using System.Text;

namespace PSCrac.Images.Storage;

/// <summary>A file in a tar archive: its name, its length, and where its bytes begin in the (unpacked) archive.</summary>
internal readonly record struct TarMember(string Name, long Length, long Offset);

/// <summary>An entry of a tar archive, of any type.</summary>
/// <param name="Name">The name as it is written.</param>
/// <param name="Type">The type flag (tar.h): '0' for a regular file, '5' for a folder.</param>
/// <param name="IsSparse">Whether the content is that of a sparse file without its holes, in a format of GNU tar's.</param>
/// <param name="Length">The length of the content, in bytes.</param>
/// <param name="Offset">Where the content begins in the (unpacked) archive.</param>
internal readonly record struct TarEntry(string Name, char Type, bool IsSparse, long Length, long Offset);

/// <summary>
/// Reads the headers of a tar archive in order: ustar, GNU long names, pax paths and sizes. System.Formats.Tar is not used
/// because it does not give the offset of a file's content, also in a compressed archive.
/// </summary>
/// <param name="stream">The content, from its beginning.</param>
/// <param name="imagePath">The archive's path, for errors.</param>
/// <param name="name">The archive's name, for errors.</param>
/// <param name="names">The limits for the names of the files that <see cref="Next"/> returns, over the whole archive.</param>
/// <param name="cancellation">Cancels a read.</param>
internal sealed class TarScanner(Stream stream, string imagePath, string name, NameBudget names, CancellationToken cancellation = default)
{
    private const int BlockSize = 512;
    private const int PartSize = 64 << 10;

    // Directories, links and header records count as well: skipping them takes time.
    private const int MaximumHeaders = 1 << 22;

    // A pax record holds all extended attributes of a file, each up to 64 KiB (XATTR_SIZE_MAX).
    private const int MaximumRecordSize = 1 << 20;
    private readonly byte[] _block = new byte[BlockSize];
    private readonly byte[] _part = new byte[PartSize];
    private byte[] _record = [];
    private string? _longName;
    private long? _longSize;
    private bool _isSparse;
    private long _position;
    private long _end;
    private long _next;
    private int _headers;

    /// <summary>Whether the two blocks of zeros that end an archive were read; the second one by <see cref="ReadToEnd"/>.</summary>
    internal bool HasEnd { get; private set; }

    /// <summary>Reads the next file's header; null at the end. Directories, links and devices are skipped.</summary>
    internal TarMember? Next()
    {
        while (NextEntry() is { } entry)
        {
            if (entry.Type == '0')
            {
                string path = Normalize(entry.Name);
                return names.Add(path) is { } limit ? throw Damaged(entry.Offset - BlockSize, limit) : new TarMember(path, entry.Length, entry.Offset);
            }
        }

        return null;
    }

    /// <summary>Reads the next entry's header, of whatever type; null at the end.</summary>
    internal TarEntry? NextEntry()
    {
        while (true)
        {
            SkipTo(_next);
            if (!ReadBlock())
            {
                return null;
            }

            if (_block.AsSpan().IndexOfAnyExcept((byte)0) < 0)
            {
                return null;
            }

            long header = _position - BlockSize;
            if (!HasValidChecksum())
            {
                throw Damaged(header, "it does not contain a tar header there");
            }

            if (++_headers > MaximumHeaders)
            {
                throw Damaged(header, $"it has more than {MaximumHeaders} headers, the most that are read");
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
                    _longName = DecodePath(ReadRecord(size));
                    continue;
                case 'x':
                    ReadPax(ReadRecord(size));
                    continue;
                case 'K' or 'g':
                    continue;
            }

            return TakeEntry(size, data);
        }
    }

    /// <summary>Reads the content of the member that <see cref="Next"/> returned; throws ImageIncomplete if the archive ends first.</summary>
    internal byte[] Read(TarMember member)
    {
        // The size may be wrong: allocate only as data is read.
        byte[] kept = new byte[Math.Min(member.Length, PartSize)];
        Fill(ref kept, checked((int)member.Length));
        return kept;
    }

    /// <summary>Reads on in the content of the entry that <see cref="NextEntry"/> returned. Returns 0 at its end; throws ImageIncomplete if the archive ends first.</summary>
    internal int ReadContent(Span<byte> buffer)
    {
        long left = _end - _position;
        if (left == 0)
        {
            return 0;
        }

        int read = ReadSome(buffer.Length > left ? buffer[..(int)left] : buffer);
        return read > 0 ? read : throw Truncated();
    }

    /// <summary>Reads what follows the end of the archive: zeros up to the size of a record, nothing else.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageCorrupt"/>: something else follows.</exception>
    internal void ReadToEnd()
    {
        // tar's --blocking-factor makes records larger than 10 KiB.
        const long LargestRecord = 4 << 20;
        long end = _position;
        for (int read; (read = ReadSome(_part)) > 0;)
        {
            if (_position - end > LargestRecord || _part.AsSpan(0, read).ContainsAnyExcept((byte)0))
            {
                throw Damaged(end, "something follows the end of the archive");
            }
        }

        HasEnd = _position - end >= BlockSize;
    }

    private TarEntry TakeEntry(long size, long data)
    {
        char type = (char)_block[156];
        var entry = new TarEntry(_longName ?? HeaderName(), type is '\0' or '7' ? '0' : type, _isSparse || type == 'S', size, data);
        (_longName, _longSize, _isSparse, _end) = (null, null, false, data + size);
        return entry;
    }

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

    private string DecodePath(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        int length = end < 0 ? bytes.Length : end;
        return length <= NameBudget.MaximumPathLength
            ? Encoding.UTF8.GetString(bytes[..length])
            : throw Damaged(_position, $"the name of a file has {length} bytes, more than the {NameBudget.MaximumPathLength} of any path");
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

            ReadOnlySpan<byte> record = records[(blank + 1)..(length - 1)];
            records = records[length..];
            if (record.StartsWith("path="u8))
            {
                _longName = DecodePath(record[5..]);
            }
            else if (record.StartsWith("size="u8) && long.TryParse(record[5..], out long size))
            {
                _longSize = size;
            }
            else if (record.StartsWith("GNU.sparse."u8))
            {
                _isSparse = true;
            }
        }
    }

    /// <summary>Reads a header record. The bytes are valid until the next one.</summary>
    private ReadOnlySpan<byte> ReadRecord(long size)
    {
        if (size > MaximumRecordSize)
        {
            throw Damaged(_position, $"a header record has {size} bytes, more than the {MaximumRecordSize} that are read");
        }

        Fill(ref _record, (int)size);
        return _record.AsSpan(0, (int)size);
    }

    /// <summary>Reads bytes into a buffer that grows as they are read, to their number at most.</summary>
    private void Fill(ref byte[] buffer, int size)
    {
        for (int done = 0; done < size;)
        {
            if (done == buffer.Length)
            {
                Array.Resize(ref buffer, (int)Math.Min(size, Math.Max(PartSize, buffer.Length * 2L)));
            }

            int read = ReadSome(buffer.AsSpan(done, Math.Min(size, buffer.Length) - done));
            done += read > 0 ? read : throw Truncated();
        }
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

        while (_position < position)
        {
            if (ReadSome(_part.AsSpan(0, (int)Math.Min(PartSize, position - _position))) == 0)
            {
                throw Truncated();
            }
        }
    }

    private int ReadSome(Span<byte> buffer)
    {
        cancellation.ThrowIfCancellationRequested();
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
