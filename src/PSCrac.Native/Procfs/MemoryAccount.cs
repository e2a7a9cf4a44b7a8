namespace PSCrac.Procfs;

/// <summary>A memory area of a process, and whether the kernel counts all of it.</summary>
/// <param name="Start">The first address.</param>
/// <param name="LengthBytes">The size, in bytes.</param>
/// <param name="IsShared">Whether it is a shared mapping (MAP_SHARED).</param>
/// <param name="IsCounted">Whether it was mapped without MAP_NORESERVE (mmap(2)).</param>
internal readonly record struct MemoryAccount(ulong Start, long LengthBytes, bool IsShared, bool IsCounted)
{
    /// <summary>Reads all areas from /proc/PID/smaps, for which the kernel walks the page tables; empty if the process has ended or cannot be read.</summary>
    internal static List<MemoryAccount> Read(ProcessDirectory directory)
    {
        if (!directory.TryRead("smaps", out ProcText text, expectedLength: 1 << 18))
        {
            return [];
        }

        using (text)
        {
            return Parse(text.Bytes);
        }
    }

    internal static List<MemoryAccount> Parse(ReadOnlySpan<byte> text)
    {
        var areas = new List<MemoryAccount>();
        MemoryAccount current = default;
        var lines = new AsciiReader(text);
        while (lines.TryReadLine(out ReadOnlySpan<byte> line))
        {
            // 7f00deadb000-7f00deadc000 rw-p 00000000 00:00 0, then lines such as "Size: 4 kB", the last "VmFlags: rd wr mr mw me nr sd".
            var words = new AsciiReader(line);
            ReadOnlySpan<byte> first = words.ReadWord();
            if (first.SequenceEqual("VmFlags:"u8))
            {
                areas.Add(current with { IsCounted = !Has(words, "nr"u8) });
            }
            else if (first.IndexOf((byte)'-') is > 0 and var dash && first[^1] != ':')
            {
                ulong start = AsciiReader.ParseHex(first[..dash]);
                ReadOnlySpan<byte> permissions = words.ReadWord();
                current = new MemoryAccount(start, (long)(AsciiReader.ParseHex(first[(dash + 1)..]) - start), permissions is [_, _, _, (byte)'s', ..], IsCounted: true);
            }
        }

        return areas;
    }

    private static bool Has(AsciiReader words, ReadOnlySpan<byte> wanted)
    {
        while (words.ReadWord() is { IsEmpty: false } word)
        {
            if (word.SequenceEqual(wanted))
            {
                return true;
            }
        }

        return false;
    }
}
