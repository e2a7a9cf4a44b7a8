using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using PSCrac.Common;
using PSCrac.CoreDumps;
using PSCrac.Images.Format;
using PSCrac.Images.Memory;
using PSCrac.Procfs;
using PSCrac.Tests.Images;
using PSCrac.Tests.Images.Format;
using PSCrac.Tests.Images.Operations;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.CoreDumps;

/// <summary>Cores of real images, read by a reader that shares nothing with the engine.</summary>
[Collection(Zoo.Collection)]
public sealed class CoreDumpExportTests(Zoo zoo) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [CriuTheory("python3", "unshare", "ip")]
    [InlineData(CracIncludeFile.None)]
    [InlineData(CracIncludeFile.Header)]
    [InlineData(CracIncludeFile.All)]
    public void All_memory_of_the_image_is_in_the_core(CracIncludeFile include)
    {
        foreach (CracImage image in zoo.All)
        {
            foreach (CracImageProcess process in CoreDumpTargets.Select(image, []))
            {
                (CracCoreDump dump, ElfCore core) = Export(process, include);
                Assert.Equal(process.ThreadIds.Order(), core.Threads.Order());
                Assert.Equal(process.ProcessId, core.Threads[0]);
                Assert.Equal((process.ThreadIds.Count, process.Executable, "x64", include), (dump.ThreadCount, dump.Executable, dump.Architecture, dump.IncludeFile));
                CompareMemory(process, core);
            }
        }
    }

    [CriuFact("python3")]
    public void Memory_shared_in_every_way_is_in_the_core()
    {
        foreach ((CracImage image, string text) in ((CracImage, string)[])[(zoo.Host, "SHARED SECRET"), (zoo.Host, "memfd content"), (zoo.Host, "gone")])
        {
            Assert.True(Contains(Export(image.Processes[0], CracIncludeFile.None).Core, text), text);
        }
    }

    [CriuFact("python3", "unshare", "ip")]
    public void System_V_memory_is_in_the_core() =>
        Assert.True(Contains(Export(zoo.Namespaces.Processes[0], CracIncludeFile.None).Core, "SYSV SECRET"));

    [CriuFact("python3")]
    public void Compressed_pages_and_an_archive_give_the_same_core()
    {
        CracImageProcess process = zoo.Host.Processes[0];
        byte[] expected = File.ReadAllBytes(Export(process, CracIncludeFile.Header).Dump.Path);
        Assert.Equal(expected, File.ReadAllBytes(Export(zoo.Compressed.Processes[0], CracIncludeFile.Header).Dump.Path));
        string archive = _folder.At("zoo.tar");
        foreach (string how in (string[])["-cf", "-czf"])
        {
            Assert.Equal(0, CriuProgram.RunProgram("tar", "-C", zoo.Host.Path, how, archive, ".").ExitCode);
            using ReadableImage readable = ReadableImage.Open(CracImage.Open(archive), null, default);
            Assert.Equal(expected, File.ReadAllBytes(Export(readable.Image.Processes[0], CracIncludeFile.Header).Dump.Path));
        }
    }

    [CriuFact("python3")]
    public void Only_what_was_asked_for_of_mapped_files_is_in_the_core()
    {
        CracImageProcess process = zoo.Host.Processes[0];
        MappedArea code = FindCode(process, out string library);
        ElfCore none = Export(process, CracIncludeFile.None).Core;
        ElfCore header = Export(process, CracIncludeFile.Header).Core;
        ElfCore all = Export(process, CracIncludeFile.All).Core;

        Assert.Null(none.ReadMemory(code.Start, 16));
        Assert.Null(header.ReadMemory(code.Start, 16));
        Assert.Equal(FileBytes(library, (long)code.FileOffset, 4096), all.ReadMemory(code.Start, 4096));

        (ulong start, _, _, _) = header.Files.First(file => file.Path == library && file.Offset == 0);
        Assert.Null(none.ReadMemory(start, 16));
        Assert.Equal(FileBytes(library, 0, 4096), header.ReadMemory(start, 4096));

        // Everything that is left out is told, and nothing else.
        CracCoreDump dump = Export(process, CracIncludeFile.Header).Dump;
        Assert.Contains(dump.LeftOut, each => each.Reason == CracOmissionReason.InFile && each.Path == library && each.Size >= (long)code.Length);
        Assert.False(dump.IsIncomplete);
        Assert.DoesNotContain(Export(process, CracIncludeFile.All).Dump.LeftOut, static each => each.Reason == CracOmissionReason.InFile);
    }

    [CriuFact("python3")]
    public void A_mapped_file_that_has_changed_is_left_out()
    {
        string path = _folder.At("data");
        byte[] content = [.. Enumerable.Range(0, 16384).Select(static i => (byte)(i / 4096 + 1))];
        File.WriteAllBytes(path, content);
        using DumpedProcess dumped = DumpedProcess.Of(["python3", "-c", $"""
            import mmap, os, time
            f = open("{path}", "rb")
            m = mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
            m[4096:4099] = b"own"
            open(os.environ["READY"], "w").close()
            time.sleep(10000)
            """]);
        CracImageProcess process = CracImage.Open(dumped.Path).Processes[0];
        (ulong start, _, _, _) = Export(process, CracIncludeFile.None).Core.Files.Single(file => file.Path == path);

        // The whole of an area that the process has changed a part of; without the file, only the part.
        byte[] expected = [.. content];
        "own"u8.CopyTo(expected.AsSpan(4096));
        Assert.Equal(expected, Export(process, CracIncludeFile.Header).Core.ReadMemory(start, content.Length));
        AssertOnlyOwn(Export(process, CracIncludeFile.None), CracOmissionReason.InFile);

        // The same size, and another time.
        File.WriteAllBytes(path, new byte[content.Length]);
        AssertOnlyOwn(Export(process, CracIncludeFile.All), CracOmissionReason.FileChanged);

        // The same time, and another size.
        File.WriteAllBytes(path, content[..^1]);
        File.SetLastWriteTimeUtc(path, new DateTime(2001, 1, 1));
        AssertOnlyOwn(Export(process, CracIncludeFile.Header), CracOmissionReason.FileChanged);
        File.Delete(path);
        AssertOnlyOwn(Export(process, CracIncludeFile.All), CracOmissionReason.FileMissing);

        void AssertOnlyOwn((CracCoreDump Dump, ElfCore Core) export, CracOmissionReason reason)
        {
            Assert.Equal(expected[4096..8192], export.Core.ReadMemory(start + 4096, 4096));
            Assert.Null(export.Core.ReadMemory(start, 1));
            Assert.Null(export.Core.ReadMemory(start + 8192, 1));
            Assert.Contains(export.Dump.LeftOut, each => each.Path == path && each.Reason == reason && each.Size == content.Length - 4096);
        }
    }

    [CriuFact("python3")]
    public void A_memfd_that_is_mapped_privately_is_read_from_the_image()
    {
        using DumpedProcess dumped = DumpedProcess.Of(["python3", "-c", """
            import ctypes, mmap, os, time
            f = os.memfd_create("twice")
            os.write(f, b"A" * 4096 + b"B" * 4096 + b"C" * 4096)
            m = mmap.mmap(f, 12288, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
            m[4096:4099] = b"own"
            libc = ctypes.CDLL(None)
            libc.mmap(None, ctypes.c_size_t(4096), 0, mmap.MAP_PRIVATE, os.memfd_create("empty"), 0)
            open(os.environ["READY"], "w").close()
            time.sleep(10000)
            """]);
        CracImageProcess process = CracImage.Open(dumped.Path).Processes[0];
        ElfCore core = Export(process, CracIncludeFile.None).Core;
        Assert.Contains(core.Files, static file => file.Path.StartsWith("/memfd:empty", StringComparison.Ordinal));
        (ulong start, _, _, _) = core.Files.Single(static file => file.Path.StartsWith("/memfd:twice", StringComparison.Ordinal));
        Assert.Equal(new string('A', 4096) + "own" + new string('B', 4093) + new string('C', 4096), Encoding.ASCII.GetString(core.ReadMemory(start, 12288)!));
    }

    [CriuFact("python3")]
    public void Zeros_take_no_space_and_reserved_addresses_none_of_the_file()
    {
        using DumpedProcess dumped = DumpedProcess.Of(["python3", "-c", """
            import ctypes, mmap, os, time
            m = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for i in range(0, 64 << 20, 4096):
                m[i:i + 1] = b"\0"
            m[5 << 20] = 7
            libc = ctypes.CDLL(None)
            libc.mmap.restype = ctypes.c_void_p
            libc.mmap(None, ctypes.c_size_t(64 << 30), 0, 0x4022, -1, 0)
            open(os.environ["READY"], "w").close()
            time.sleep(10000)
            """]);
        CracCoreDump dump = Export(CracImage.Open(dumped.Path).Processes[0], CracIncludeFile.Header).Dump;
        Assert.InRange(dump.Size, 64 << 20, 256 << 20);
        Assert.InRange(dump.SizeOnDisk, 1 << 20, 48 << 20);
    }

    [CriuFact("python3")]
    public void A_cut_image_is_an_error_or_an_incomplete_core()
    {
        string copy = PSCrac.Tests.Images.ImageCopy.Create(zoo.Host.Path);
        try
        {
            CracImageProcess whole = zoo.Host.Processes[0];
            string pages = Path.Combine(copy, whole.Pages!.PagesFile);
            long left = (new FileInfo(pages).Length / 2 / 4096 * 4096) + 100;
            using (FileStream file = File.OpenWrite(pages))
            {
                file.SetLength(left);
            }

            CracImageProcess cut = CracImage.Open(copy).Processes[0];
            CracException e = Assert.Throws<CracException>(() => Export(cut, CracIncludeFile.Header));
            Assert.Equal((CracReason.ImageIncomplete, CracOperation.CoreDump, cut.ProcessId, whole.Pages.PagesFile), (e.Reason, e.Operation, e.ProcessId, e.FileName));
            Assert.Contains("-AllowIncomplete", e.RecommendedAction);
            Assert.Empty(_folder.Names());

            string threads = Path.Combine(copy, $"core-{cut.ThreadIds[^1]}.img");
            File.Delete(threads);
            (CracCoreDump dump, ElfCore core) = Export(CracImage.Open(copy).Processes[0], CracIncludeFile.Header, allowIncomplete: true);
            Assert.True(dump.IsIncomplete);
            Assert.Equal(whole.ThreadIds.Count - 1, core.Threads.Length);
            CracCoreDumpOmission gap = dump.LeftOut.Single(each => each.Path == whole.Pages.PagesFile);
            Assert.Equal((CracOmissionReason.ImageCut, whole.Pages.PresentBytes - (left / 4096 * 4096)), (gap.Reason, gap.Size));
            ElfCore full = Export(whole, CracIncludeFile.Header).Core;
            int missing = 0;
            foreach (PageRun run in whole.Pages.Runs)
            {
                byte[]? now = core.ReadMemory(run.Address, (int)run.Pages * 4096);
                missing += now is null ? 1 : 0;
                Assert.True(now is null || now.AsSpan().SequenceEqual(full.ReadMemory(run.Address, now.Length)), $"{run}");
            }

            Assert.InRange(missing, 1, whole.Pages.Runs.Length - 1);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(copy)!, recursive: true);
        }
    }

    [CriuFact("python3")]
    public void The_notes_describe_the_process()
    {
        CracImageProcess process = zoo.Host.Processes[0];
        ElfCore core = Export(process, CracIncludeFile.Header).Core;
        byte[] info = core.NotesOf(3).Single();
        Assert.Equal(136, info.Length);
        Assert.Equal(process.ProcessId, BinaryPrimitives.ReadInt32LittleEndian(info.AsSpan(24)));
        Assert.Equal(process.ProcessGroupId, BinaryPrimitives.ReadInt32LittleEndian(info.AsSpan(32)));
        Assert.Equal(process.Command, Text(info.AsSpan(40, 16)));
        Assert.StartsWith(Text(info.AsSpan(56, 80)), string.Join(' ', process.CommandLine));

        byte[] vector = core.NotesOf(6).Single();
        Assert.Equal(new byte[16], vector[^16..]);
        Assert.Contains(Enumerable.Range(0, vector.Length / 16), i => ElfCore.U64(vector, i * 16) == 6 && ElfCore.U64(vector, (i * 16) + 8) == 4096);
        Assert.Contains(core.Files, file => file.Path == process.Executable && file.Offset == 0);
        Assert.DoesNotContain(core.Segments, static segment => segment.Address >= 0xffff_ffff_ff60_0000);
        static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes[..bytes.IndexOf((byte)0)]);
    }

    [CriuFact("python3")]
    public void The_file_is_private_whole_and_replaced_only_if_that_is_asked_for()
    {
        CracImageProcess process = zoo.Host.Processes[0];
        string path = _folder.At("the.core");
        File.WriteAllText(path, "mine");
        Assert.Equal(CracReason.ImageExists, Assert.Throws<CracException>(() => CoreDumpExport.Run(Request(process, path))).Reason);
        Assert.Equal("mine", File.ReadAllText(path));

        using var cancellation = new CancellationTokenSource();
        var cancelling = new Cancelling(cancellation);
        Assert.Throws<OperationCanceledException>(() => CoreDumpExport.Run(Request(process, path) with { Force = true }, cancelling, cancellation.Token));
        Assert.Equal(["the.core"], _folder.Names());
        Assert.Equal("mine", File.ReadAllText(path));

        CoreDumpExport.Run(Request(process, path) with { Force = true });
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(["the.core"], _folder.Names());

        using var disk = new SmallDisk(2);
        CracException e = Assert.Throws<CracException>(() => CoreDumpExport.Run(Request(process, disk.At("x.core"))));
        Assert.Equal(CracReason.NoSpace, e.Reason);
        Assert.Contains("core", e.Message);
        Assert.Empty(disk.Names());
    }

    [CriuFact("python3", "zstd")]
    public void A_compressed_core_is_the_same_core()
    {
        CracImageProcess process = zoo.Host.Processes[0];
        string plain = Export(process, CracIncludeFile.Header).Dump.Path;
        string packed = _folder.At("packed.zst");
        CracCoreDump dump = CoreDumpExport.Run(Request(process, packed) with { Compression = CracArchiveCompression.Zstd });
        Assert.Equal(new FileInfo(packed).Length, dump.Size);
        Assert.Equal(0, CriuProgram.RunProgram("zstd", "-q", "-d", packed, "-o", _folder.At("unpacked")).ExitCode);
        Assert.Equal(File.ReadAllBytes(plain), File.ReadAllBytes(_folder.At("unpacked")));
    }

    [CriuFact("python3", "eu-readelf", "readelf")]
    public void Readers_of_ELF_files_have_nothing_to_complain_of()
    {
        foreach (CracImageProcess process in CoreDumpTargets.Select(zoo.Host, []))
        {
            foreach (CracIncludeFile include in Enum.GetValues<CracIncludeFile>())
            {
                string path = Export(process, include).Dump.Path;
                foreach (string program in (string[])["readelf", "eu-readelf"])
                {
                    (int code, string error) = CriuProgram.RunProgram(program, "-a", path);
                    Assert.Equal((0, ""), (code, error));
                }
            }
        }
    }

    // No machine of arm64 is at hand: a real image with threads written here, and a reader of other people's that knows that architecture.
    [CriuFact("python3", "eu-readelf", "readelf")]
    public void Of_an_arm64_core_a_reader_shows_the_registers()
    {
        string copy = PSCrac.Tests.Images.ImageCopy.Create(zoo.Host.Path);
        try
        {
            foreach (int thread in zoo.Host.Processes[0].ThreadIds)
            {
                using FileStream file = File.Create(Path.Combine(copy, $"core-{thread}.img"));
                file.Write(ImageBytes.Head(ImageType.Core));
                CoreThreadTests.Arm64().WriteEntry(file);
            }

            (CracCoreDump dump, ElfCore core) = Export(CracImage.Open(copy).Processes[0], CracIncludeFile.Header);
            Assert.Equal(("arm64", zoo.Host.Processes[0].ThreadIds.Count), (dump.Architecture, core.Threads.Length));
            foreach (string program in (string[])["readelf", "eu-readelf"])
            {
                (int code, string error) = CriuProgram.RunProgram(program, "-a", dump.Path);
                Assert.Equal((0, ""), (code, error));
            }

            string notes = ReadOutput("eu-readelf", "-h", "-n", dump.Path);
            Assert.Contains("AARCH64", notes, StringComparison.OrdinalIgnoreCase);
            Assert.Matches(@"x0: +1000\b", notes);
            Assert.Matches(@"x30: +1030\b", notes);
            Assert.Matches(@"sp: +0x0*ffff1234\b", notes);
            Assert.Matches(@"pc: +0x0*ffff5678\b", notes);
            Assert.Matches(@"fpsr: 0x0000001b, fpcr: 0x03000000\b", notes);
            Assert.Matches(@"tls: 0x0*deadbeef\b", notes);
            Assert.Matches(@"v31: +0x0*80f0{13}80e\b", notes);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(copy)!, recursive: true);
        }
    }

    [CriuFact("python3")]
    public void A_process_that_had_ended_has_no_core()
    {
        CracImageProcess zombie = zoo.Host.Processes.First(static process => process.State is CracProcessState.Zombie or CracProcessState.Dead);
        Assert.DoesNotContain(zombie, CoreDumpTargets.Select(zoo.Host, []));
        Assert.Equal(CracReason.MemoryNotInImage, Assert.Throws<CracException>(() => CoreDumpTargets.Select(zoo.Host, [zombie.ProcessId])).Reason);
        Assert.Equal(CracReason.ProcessNotFound, Assert.Throws<CracException>(() => CoreDumpTargets.Select(zoo.Host, [1 << 21])).Reason);
    }

    public void Dispose() => _folder.Dispose();

    private static string ReadOutput(string program, params string[] arguments)
    {
        using Process reader = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = reader.StandardOutput.ReadToEnd();
        reader.WaitForExit();
        return output;
    }

    private static CoreDumpRequest Request(CracImageProcess process, string path) => new() { Process = process, DestinationPath = path };

    private (CracCoreDump Dump, ElfCore Core) Export(CracImageProcess process, CracIncludeFile include, bool allowIncomplete = false)
    {
        string path = _folder.At($"{Guid.NewGuid():N}.core");
        CracCoreDump dump = CoreDumpExport.Run(Request(process, path) with { IncludeFile = include, AllowIncomplete = allowIncomplete });
        Assert.Equal(new FileInfo(path).Length, dump.Size);
        return (dump, new ElfCore(path));
    }

    // Whatever can be read of the image is in the core, byte by byte.
    private static void CompareMemory(CracImageProcess process, ElfCore core)
    {
        long compared = 0;
        var stretches = new List<MemoryStretch>();
        ProcessMemory memory = process.DumpedMemory!;
        foreach (MappedArea area in memory.Space.Areas)
        {
            stretches.Clear();
            memory.Map(area, area.Start, area.End, stretches);
            foreach (MemoryStretch stretch in stretches)
            {
                if (stretch.Origin == PageOrigin.Pages && (area.Status & AreaStatus.Vvar) == 0)
                {
                    byte[] expected = process.ReadMemory(stretch.Address, (int)stretch.Length);
                    byte[]? actual = core.ReadMemory(stretch.Address, (int)stretch.Length);
                    Assert.True(actual is not null && expected.AsSpan().SequenceEqual(actual), $"{process} {stretch} of {area}");
                    compared += expected.Length;
                }
            }
        }

        Assert.True(compared > 1 << 16);
    }

    private static bool Contains(ElfCore core, string text) =>
        core.Segments.Any(segment => segment.FileSize is > 0 and < (16 << 20) && core.ReadMemory(segment.Address, (int)segment.FileSize).AsSpan().IndexOf(Encoding.ASCII.GetBytes(text)) >= 0);

    private static MappedArea FindCode(CracImageProcess process, out string library)
    {
        foreach (CracImageMemoryArea area in process.MemoryAreas)
        {
            if (area.Protection == "r-xp" && area.Path.Contains("libc.so", StringComparison.Ordinal))
            {
                library = area.Path;
                return area.Area;
            }
        }

        throw new InvalidOperationException("the C library is not mapped");
    }

    private static byte[] FileBytes(string path, long offset, int length)
    {
        using FileStream file = File.OpenRead(path);
        file.Position = offset;
        byte[] bytes = new byte[length];
        file.ReadExactly(bytes);
        return bytes;
    }

    private sealed class Cancelling(CancellationTokenSource source) : IProgress<CracProgress>
    {
        public void Report(CracProgress value) => source.Cancel();
    }
}
