using System.Buffers.Binary;
using System.Text;

namespace PSCrac.Tests.CoreDumps;

/// <summary>Reads a core as elf(5) describes it, without anything of the engine's.</summary>
internal sealed class ElfCore
{
    private readonly byte[] _head;
    private readonly string _path;

    internal ElfCore(string path)
    {
        _path = path;
        _head = Read(0, 64);
        Assert(_head.AsSpan(0, 7).SequenceEqual(new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }), "magic");
        Assert(U16(16) == 4 && U16(52) == 64 && U16(54) == 56, "sizes");
        long count = U16(56);
        if (count == 0xffff)
        {
            Assert(U16(58) == 64 && U16(60) == 1, "section header");
            count = BinaryPrimitives.ReadUInt32LittleEndian(Read((long)U64(_head, 40), 64).AsSpan(44));
        }

        byte[] table = Read((long)U64(_head, 32), (int)count * 56);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> each = table.AsSpan(i * 56, 56);
            var segment = new Segment(
                BinaryPrimitives.ReadUInt32LittleEndian(each),
                BinaryPrimitives.ReadUInt32LittleEndian(each[4..]),
                U64(each, 8),
                U64(each, 16),
                U64(each, 32),
                U64(each, 40));
            if (segment.Type == 4)
            {
                ReadNotes(Read((long)segment.Offset, (int)segment.FileSize));
            }
            else
            {
                Assert(segment.Type == 1 && segment.FileSize <= segment.MemorySize && segment.Offset % 4096 == 0, "segment");
                Assert(Segments.Count == 0 || Segments[^1].Address + Segments[^1].MemorySize <= segment.Address, "order");
                Segments.Add(segment);
            }
        }
    }

    internal ushort Machine => U16(18);

    /// <summary>The PT_LOAD segments.</summary>
    internal List<Segment> Segments { get; } = [];

    internal List<(string Owner, uint Type, byte[] Content)> Notes { get; } = [];

    internal sealed record Segment(uint Type, uint Flags, ulong Offset, ulong Address, ulong FileSize, ulong MemorySize);

    internal IEnumerable<byte[]> NotesOf(uint type) => Notes.Where(note => note.Type == type).Select(static note => note.Content);

    /// <summary>The ids of the threads.</summary>
    internal int[] Threads => [.. NotesOf(1).Select(static status => BinaryPrimitives.ReadInt32LittleEndian(status.AsSpan(32)))];

    /// <summary>The files of NT_FILE.</summary>
    internal List<(ulong Start, ulong End, ulong Offset, string Path)> Files
    {
        get
        {
            var files = new List<(ulong, ulong, ulong, string)>();
            foreach (byte[] note in NotesOf(0x46494c45))
            {
                int count = (int)U64(note, 0);
                string[] names = Encoding.UTF8.GetString(note.AsSpan(16 + (count * 24))).Split('\0');
                for (int i = 0; i < count; i++)
                {
                    int at = 16 + (i * 24);
                    files.Add((U64(note, at), U64(note, at + 8), U64(note, at + 16) * U64(note, 8), names[i]));
                }
            }

            return files;
        }
    }

    /// <summary>Reads memory; null if a byte of it is not in the core.</summary>
    internal byte[]? ReadMemory(ulong address, int length)
    {
        var bytes = new List<byte>(length);
        while (bytes.Count < length)
        {
            ulong at = address + (ulong)bytes.Count;
            if (Segments.Find(segment => at >= segment.Address && at < segment.Address + segment.FileSize) is not { } found)
            {
                return null;
            }

            int part = (int)Math.Min((ulong)(length - bytes.Count), found.Address + found.FileSize - at);
            bytes.AddRange(Read((long)(found.Offset + (at - found.Address)), part));
        }

        return [.. bytes];
    }

    internal static ulong U64(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);

    private ushort U16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_head.AsSpan(offset));

    private byte[] Read(long offset, int length)
    {
        using FileStream file = File.OpenRead(_path);
        file.Position = offset;
        byte[] bytes = new byte[length];
        file.ReadExactly(bytes);
        return bytes;
    }

    private void ReadNotes(byte[] bytes)
    {
        for (int at = 0; at < bytes.Length;)
        {
            int name = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at));
            int size = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 4));
            string owner = Encoding.ASCII.GetString(bytes, at + 12, name - 1);
            int content = at + 12 + ((name + 3) & ~3);
            Notes.Add((owner, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 8)), bytes[content..(content + size)]));
            at = content + ((size + 3) & ~3);
        }
    }

    private static void Assert(bool holds, string what) => Xunit.Assert.True(holds, $"the core is not sound: {what}");
}
