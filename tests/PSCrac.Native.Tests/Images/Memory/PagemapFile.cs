using System.Buffers.Binary;
using PSCrac.Images.Format;
using PSCrac.Images.Memory;

namespace PSCrac.Tests.Images.Memory;

/// <summary>Writes pagemaps, as criu does on a kernel that tracks changed pages.</summary>
internal static class PagemapFile
{
    internal static void Write(string path, uint pagesId, IEnumerable<PageRun> runs)
    {
        using FileStream file = File.Create(path);
        file.Write([0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56]);
        Entry(file, [(Wire.PagemapHead.PagesId, pagesId)]);
        foreach (PageRun run in runs)
        {
            Entry(file,
            [
                (Wire.PagemapEntry.Vaddr, run.Address), (Wire.PagemapEntry.CompatNrPages, 0),
                (Wire.PagemapEntry.Flags, (ulong)run.Flags), (Wire.PagemapEntry.NrPages, run.Pages),
            ]);
        }
    }

    private static void Entry(FileStream file, (int Field, ulong Value)[] fields)
    {
        var message = new List<byte>();
        foreach ((int field, ulong value) in fields)
        {
            message.Add((byte)(field << 3));
            ulong rest = value;
            for (; rest >= 0x80; rest >>= 7)
            {
                message.Add((byte)(rest | 0x80));
            }

            message.Add((byte)rest);
        }

        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, message.Count);
        file.Write(length);
        file.Write([.. message]);
    }
}
