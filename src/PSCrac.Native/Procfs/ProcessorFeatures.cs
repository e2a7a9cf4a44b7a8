namespace PSCrac.Procfs;

/// <summary>What the processor can do, by the names of /proc/cpuinfo.</summary>
public static class ProcessorFeatures
{
    private static readonly Lazy<IReadOnlyList<string>> s_features = new(ReadOnce);

    /// <summary>The flags of the first processor (flags on x86, Features on arm64; every processor has the same); empty where it has no such line.</summary>
    public static IReadOnlyList<string> Read() => s_features.Value;

    private static IReadOnlyList<string> ReadOnce()
    {
        if (!ProcText.TryRead("/proc/cpuinfo", out ProcText text, expectedLength: 65536))
        {
            return [];
        }

        using (text)
        {
            var lines = new AsciiReader(text.Bytes);
            while (lines.TryReadLine(out ReadOnlySpan<byte> line))
            {
                if (line.StartsWith("flags"u8) || line.StartsWith("Features"u8))
                {
                    return System.Text.Encoding.ASCII.GetString(line[(line.IndexOf((byte)':') + 1)..]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
                }
            }
        }

        return [];
    }
}
