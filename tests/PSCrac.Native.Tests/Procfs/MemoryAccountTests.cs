using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Procfs;

public class MemoryAccountTests
{
    [ProgramFact("python3")]
    public void The_areas_are_those_of_maps_and_what_is_not_counted_is_marked()
    {
        // Private without and with MAP_NORESERVE, and shared.
        using TestProgram program = TestProgram.Start(
            PythonProgram.Path!,
            [
                "-c",
                """
                import ctypes, time
                libc = ctypes.CDLL(None)
                libc.mmap.restype = ctypes.c_void_p
                for size, flags in [(3 << 30, 0x22), (5 << 30, 0x4022), (7 << 30, 0x4021)]:
                    assert libc.mmap(None, ctypes.c_size_t(size), 0, flags, -1, ctypes.c_long(0)) != ctypes.c_void_p(-1).value
                print("mapped", flush=True)
                time.sleep(1000)
                """,
            ]);
        program.WaitForLine("mapped");
        using ProcessDirectory directory = ProcessDirectory.TryOpen(program.ProcessId)!;

        List<MemoryAccount> areas = MemoryAccount.Read(directory);

        Assert.Equal(MemoryMap.Read(program.ProcessId).Select(static area => (area.Start, area.LengthBytes, area.IsShared)), areas.Select(static area => (area.Start, area.LengthBytes, area.IsShared)));
        Assert.Contains(areas, static area => area is { LengthBytes: 3L << 30, IsShared: false, IsCounted: true });
        Assert.Contains(areas, static area => area is { LengthBytes: 5L << 30, IsShared: false, IsCounted: false });
        Assert.Contains(areas, static area => area is { LengthBytes: 7L << 30, IsShared: true });
    }
}
