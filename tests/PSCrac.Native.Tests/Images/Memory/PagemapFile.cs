using System.Buffers.Binary;
using PSCrac.Images.Format;
using PSCrac.Images.Memory;

namespace PSCrac.Tests.Images.Memory;

/// <summary>Writes pagemaps, as criu does on a kernel that tracks changed pages.</summary>
internal static class PagemapFile
{
    /// <summary>An entry.</summary>
    /// <param name="Run">Its pages.</param>
    /// <param name="BlockSizes">The sizes of the blocks that they are stored in, in bytes; null where they are stored as they are.</param>
    /// <param name="PagesPerBlock">The pages of a block.</param>
    /// <param name="TotalSize">What it says of the blocks' size; null for their sum.</param>
    internal sealed record Entry(PageRun Run, uint[]? BlockSizes, uint PagesPerBlock, ulong? TotalSize = null);

    internal static void Write(string path, uint pagesId, IEnumerable<PageRun> runs) => Write(path, pagesId, runs.Select(static run => new Entry(run, null, 0)));

    internal static void Write(string path, uint pagesId, IEnumerable<Entry> entries)
    {
        using FileStream file = File.Create(path);
        file.Write([0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56]);
        Add(file, Fields((Wire.PagemapHead.PagesId, pagesId)));
        foreach (Entry entry in entries)
        {
            List<byte> message = Fields(
                (Wire.PagemapEntry.Vaddr, entry.Run.Address), (Wire.PagemapEntry.CompatNrPages, 0),
                (Wire.PagemapEntry.Flags, (ulong)entry.Run.Flags), (Wire.PagemapEntry.NrPages, entry.Run.Pages));
            if (entry.BlockSizes is { } sizes)
            {
                AddBytes(message, Wire.PagemapEntry.Blocks, Blocks(sizes, entry));
            }

            Add(file, message);
        }
    }

    internal static void AddNumber(List<byte> message, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            message.Add((byte)(value | 0x80));
        }

        message.Add((byte)value);
    }

    private static List<byte> Blocks(uint[] sizes, Entry entry)
    {
        var packed = new List<byte>();
        foreach (uint size in sizes)
        {
            AddNumber(packed, size);
        }

        var blocks = new List<byte>();
        AddBytes(blocks, Wire.PagemapBlocks.BlockSizes, packed);
        blocks.AddRange(Fields(
            (Wire.PagemapBlocks.TotalPayloadSize, entry.TotalSize ?? (ulong)sizes.Sum(static size => size)), (Wire.PagemapBlocks.PagesPerBlock, entry.PagesPerBlock)));
        return blocks;
    }

    private static List<byte> Fields(params (int Field, ulong Value)[] fields)
    {
        var message = new List<byte>();
        foreach ((int field, ulong value) in fields)
        {
            AddNumber(message, (uint)field << 3);
            AddNumber(message, value);
        }

        return message;
    }

    private static void AddBytes(List<byte> message, int field, List<byte> bytes)
    {
        AddNumber(message, ((uint)field << 3) | (uint)WireType.Bytes);
        AddNumber(message, (ulong)bytes.Count);
        message.AddRange(bytes);
    }

    private static void Add(FileStream file, List<byte> message)
    {
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, message.Count);
        file.Write(length);
        file.Write([.. message]);
    }
}
