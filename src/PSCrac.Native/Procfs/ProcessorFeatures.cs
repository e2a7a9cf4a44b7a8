using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>The processor's feature flags, with the names of /proc/cpuinfo.</summary>
internal static class ProcessorFeatures
{
    private static readonly Lazy<IReadOnlyList<string>> s_features = new(ReadOnce);

    /// <summary>The flags of the first processor (flags on x86, Features on arm64; every processor has the same); empty if there is no such line.</summary>
    internal static IReadOnlyList<string> Read() => s_features.Value;

    private static string[] ReadOnce()
    {
        // The file has a section for each processor and is slow to generate if there are many: only its beginning is read.
        const int FirstPart = 16 << 10;
        using SafeFileHandle file = LibC.Open("/proc/cpuinfo", LibC.O_RDONLY, out _);
        byte[] buffer = new byte[FirstPart];
        int length = file.IsInvalid ? 0 : LibC.Read(file, buffer, out _);
        var lines = new AsciiReader(buffer.AsSpan(0, Math.Max(0, length)));
        while (lines.TryReadLine(out ReadOnlySpan<byte> line))
        {
            if (line.StartsWith("flags"u8) || line.StartsWith("Features"u8))
            {
                return System.Text.Encoding.ASCII.GetString(line[(line.IndexOf((byte)':') + 1)..]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            }
        }

        return [];
    }
}
