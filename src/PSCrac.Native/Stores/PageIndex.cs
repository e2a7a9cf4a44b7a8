using System.Buffers.Binary;
using System.Text;

namespace PSCrac.Stores;

/// <summary>A group of pages in a store: those of 1 MiB of an address space.</summary>
/// <param name="Address">The first address of the MiB in the process; of pages without addresses, the offset in their file.</param>
/// <param name="Length">The size of the pages, in bytes.</param>
/// <param name="StoredLength">The size of the zstd frame, in bytes; 0 for a group that is the base's.</param>
/// <param name="Offset">Where the frame begins in the layer.</param>
/// <param name="Digest">The place of the frame's SHA-256 in <see cref="PageIndex.Digests"/>.</param>
internal readonly record struct StoredGroup(ulong Address, int Length, int StoredLength, long Offset, int Digest);

/// <summary>The groups of one pages file.</summary>
/// <param name="Name">The name of the pages file.</param>
/// <param name="MapName">
/// The name of the pagemap file that has the addresses, in a delta that of the base's; empty for pages that have none.
/// </param>
/// <param name="Groups">The groups, in the order of the file.</param>
internal sealed record StoredPages(string Name, string MapName, StoredGroup[] Groups)
{
    /// <summary>The size of the file, in bytes.</summary>
    internal long Length => Groups.Sum(static group => (long)group.Length);
}

/// <summary>
/// The index of the pages of an image in a store. As bytes, little endian: "PSCPAGES", version 1, the number of files; of each file its
/// name and its pagemap's, each behind its length (16 bits), and the number of groups (32 bits); of each group the address (64 bits), the
/// size (32), the size of its frame (32) and the frame's SHA-256. The frames are one after the other.
/// </summary>
internal sealed class PageIndex
{
    /// <summary>The most bytes that a group has.</summary>
    internal const int GroupSize = 1 << 20;

    /// <summary>The size of a hash, in bytes.</summary>
    internal const int DigestSize = 32;

    /// <summary>The largest index that is read, in bytes: that of more than a terabyte.</summary>
    internal const int MaximumSize = 64 << 20;

    private const int HeadSize = 16;
    private const int GroupBytes = 16 + DigestSize;
    private const int Version = 1;

    private PageIndex(List<StoredPages> files, byte[] digests)
    {
        Files = files;
        Digests = digests;
    }

    private static ReadOnlySpan<byte> Magic => "PSCPAGES"u8;

    /// <summary>The files.</summary>
    internal IReadOnlyList<StoredPages> Files { get; }

    /// <summary>The hashes of all frames.</summary>
    internal byte[] Digests { get; }

    /// <summary>The size of all pages, in bytes.</summary>
    internal long Length => Files.Sum(static file => file.Length);

    /// <summary>The hash of a group's frame.</summary>
    internal ReadOnlySpan<byte> DigestOf(in StoredGroup group) => Digests.AsSpan(group.Digest * DigestSize, DigestSize);

    /// <summary>Reads an index.</summary>
    /// <param name="bytes">Its content.</param>
    /// <param name="storedSize">The size of the layer with the frames, in bytes.</param>
    /// <param name="mayRefer">Whether groups may be the base's.</param>
    /// <param name="where">The name of the image, for messages.</param>
    /// <exception cref="CracException"><see cref="CracReason.ImageCorrupt"/>, <see cref="CracReason.ImageTooNew"/>.</exception>
    internal static PageIndex Parse(ReadOnlySpan<byte> bytes, long storedSize, bool mayRefer, string where)
    {
        var reader = new Reader(bytes, where);
        reader.Require(bytes.Length >= HeadSize && bytes.StartsWith(Magic), "it does not begin as one");
        reader.Position = Magic.Length;
        int version = reader.ReadInt32();
        if (version != Version)
        {
            throw new CracException(CracReason.ImageTooNew, $"The index of the pages of {where} is of version {version}, which this version of PSCrac does not read.", "Install a newer PSCrac; Get-Module PSCrac shows the version of this one.");
        }

        int count = reader.ReadInt32();
        var files = new List<StoredPages>();
        byte[] digests = new byte[bytes.Length / GroupBytes * DigestSize];
        int digest = 0;
        long offset = 0;
        for (int i = 0; i < count; i++)
        {
            string name = reader.ReadName();
            string map = reader.ReadName();
            int groups = reader.ReadInt32();
            reader.Require(groups >= 0 && groups <= (bytes.Length - reader.Position) / GroupBytes, "it is cut short");
            var read = new StoredGroup[groups];
            for (int g = 0; g < groups; g++)
            {
                read[g] = reader.ReadGroup(mayRefer, offset, digest, digests);
                offset += read[g].StoredLength;
                digest++;
            }

            files.Add(new StoredPages(name, map, read));
        }

        reader.Require(reader.Position == bytes.Length && offset == storedSize, "it does not fit the pages");
        return new PageIndex(files, digests);
    }

    /// <summary>Writes an index while its frames are written.</summary>
    internal sealed class Builder : IDisposable
    {
        private readonly MemoryStream _bytes = new();
        private int _files;
        private long _countAt;
        private int _groups;

        /// <summary>Begins an index.</summary>
        internal Builder()
        {
            _bytes.Write(Magic);
            Write(Version);
            Write(0);
        }

        /// <summary>Begins a file.</summary>
        internal void BeginFile(string name, string mapName)
        {
            EndFile();
            _files++;
            Write(name);
            Write(mapName);
            _countAt = _bytes.Position;
            Write(0);
        }

        /// <summary>Adds a group.</summary>
        /// <param name="address">Its address.</param>
        /// <param name="length">The size of its pages, in bytes.</param>
        /// <param name="storedLength">The size of its frame, in bytes; 0 for one that is the base's.</param>
        /// <param name="digest">The SHA-256 of its frame.</param>
        internal void Add(ulong address, int length, int storedLength, ReadOnlySpan<byte> digest)
        {
            Span<byte> group = stackalloc byte[GroupBytes];
            BinaryPrimitives.WriteUInt64LittleEndian(group, address);
            BinaryPrimitives.WriteInt32LittleEndian(group[8..], length);
            BinaryPrimitives.WriteInt32LittleEndian(group[12..], storedLength);
            digest.CopyTo(group[16..]);
            _bytes.Write(group);
            _groups++;
        }

        /// <summary>The index.</summary>
        internal byte[] ToBytes()
        {
            EndFile();
            WriteAt(Magic.Length + sizeof(int), _files);
            return _bytes.ToArray();
        }

        /// <inheritdoc/>
        public void Dispose() => _bytes.Dispose();

        private void EndFile()
        {
            if (_files > 0)
            {
                WriteAt(_countAt, _groups);
                _groups = 0;
            }
        }

        private void WriteAt(long position, int value)
        {
            _bytes.Position = position;
            Write(value);
            _bytes.Position = _bytes.Length;
        }

        private void Write(int value)
        {
            Span<byte> bytes = stackalloc byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
            _bytes.Write(bytes);
        }

        private void Write(string text)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            Span<byte> length = stackalloc byte[sizeof(ushort)];
            BinaryPrimitives.WriteUInt16LittleEndian(length, checked((ushort)bytes.Length));
            _bytes.Write(length);
            _bytes.Write(bytes);
        }
    }

    private ref struct Reader(ReadOnlySpan<byte> bytes, string where)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;

        internal int Position { get; set; }

        internal readonly void Require(bool isTrue, string fault)
        {
            if (!isTrue)
            {
                throw new CracException(CracReason.ImageCorrupt, $"The index of the pages of {where} is damaged: {fault}.", "Get the image again from its source, or export it again with Export-CracImage.");
            }
        }

        internal int ReadInt32() => BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));

        internal string ReadName() => Encoding.UTF8.GetString(Take(BinaryPrimitives.ReadUInt16LittleEndian(Take(sizeof(ushort)))));

        internal StoredGroup ReadGroup(bool mayRefer, long offset, int digest, byte[] digests)
        {
            ReadOnlySpan<byte> bytes = Take(GroupBytes);
            var group = new StoredGroup(
                BinaryPrimitives.ReadUInt64LittleEndian(bytes),
                BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]),
                BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]),
                offset,
                digest);
            Require(group.Length is > 0 and <= GroupSize && group.StoredLength is >= 0 and <= PageFrames.MaximumSize && (mayRefer || group.StoredLength > 0), $"a group at 0x{group.Address:x} has impossible sizes");
            bytes[16..].CopyTo(digests.AsSpan(digest * DigestSize));
            return group;
        }

        private ReadOnlySpan<byte> Take(int count)
        {
            Require(count <= _bytes.Length - Position, "it is cut short");
            Position += count;
            return _bytes.Slice(Position - count, count);
        }
    }
}
