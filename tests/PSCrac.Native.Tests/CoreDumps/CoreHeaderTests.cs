using Microsoft.Win32.SafeHandles;
using PSCrac.CoreDumps;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.CoreDumps;

/// <summary>The headers of cores with few and with very many segments, as readers of others see them.</summary>
public sealed class CoreHeaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [ProgramTheory("readelf", "eu-readelf")]
    [InlineData(3)]
    [InlineData(65_533)]
    [InlineData(65_534)]
    [InlineData(70_000)]
    public void Any_number_of_segments_is_read(int count)
    {
        string path = _folder.At("core");
        CoreSegment[] segments = [.. Enumerable.Range(0, count).Select(static i => new CoreSegment(0x1_0000_0000 + ((ulong)i * 0x3000), 0x2000, i % 2 == 0 ? 0x1000uL : 0, (uint)(i % 8)))];
        using (SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write))
        {
            var output = new CoreOutput(file, compressed: null);
            CoreHeader.Write(output, 62, 4096, segments, default);
            foreach (CoreSegment segment in segments)
            {
                output.Skip((long)segment.FileSize);
            }

            output.Complete();
        }

        ElfCore core = new(path);
        Assert.Equal(segments.Select(static each => (each.Address, each.MemorySize, each.FileSize, each.Flags)), core.Segments.Select(static each => (each.Address, each.MemorySize, each.FileSize, each.Flags)));
        Assert.Equal((ulong)new FileInfo(path).Length, core.Segments[^1].Offset + core.Segments[^1].FileSize);
        foreach (string program in (string[])["readelf", "eu-readelf"])
        {
            (int code, string error) = CriuProgram.RunProgram(program, "-lh", path);
            Assert.Equal((0, ""), (code, error));
        }
    }

    public void Dispose() => _folder.Dispose();
}
