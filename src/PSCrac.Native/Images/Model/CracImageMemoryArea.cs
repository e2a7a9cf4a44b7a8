using PSCrac.Images.Memory;
using PSCrac.Images.Model;

namespace PSCrac;

/// <summary>A mapped memory area of a process in an image.</summary>
public sealed class CracImageMemoryArea
{
    private readonly ProcessMemory _memory;
    private readonly MappedArea _area;
    private readonly OpenFileTable _files;
    private long _dumped = -1;

    internal CracImageMemoryArea(ProcessMemory memory, MappedArea area, OpenFileTable files)
    {
        _memory = memory;
        _area = area;
        _files = files;
    }

    /// <summary>The process id.</summary>
    public int ProcessId => _memory.ProcessId;

    /// <summary>The first address.</summary>
    public ulong Start => _area.Start;

    /// <summary>The first address after the area.</summary>
    public ulong End => _area.End;

    /// <summary>The area's size, in bytes.</summary>
    public long Size => (long)_area.Length;

    /// <summary>The access rights, and private or shared, as proc shows them, such as "rw-p".</summary>
    public string Protection => string.Create(4, _area, static (text, area) =>
    {
        text[0] = (area.Protection & 1) != 0 ? 'r' : '-';
        text[1] = (area.Protection & 2) != 0 ? 'w' : '-';
        text[2] = (area.Protection & 4) != 0 ? 'x' : '-';
        text[3] = area.IsShared ? 's' : 'p';
    });

    /// <summary>Whether the area is shared memory (MAP_SHARED).</summary>
    public bool IsShared => _area.IsShared;

    /// <summary>The mapped file's path, or "[heap]", "[stack]", "[vdso]", "[vvar]", "[vsyscall]", "[shmem]"; empty for private anonymous memory.</summary>
    public string Path
    {
        get
        {
            AreaStatus status = _area.Status;
            return (status & (AreaStatus.FilePrivate | AreaStatus.FileShared | AreaStatus.MemFd)) != 0 ? _files.PathOf((uint)_area.ShmId)
                : _memory.Space.IsHeap(_area) ? "[heap]"
                : _memory.Space.IsStack(_area) ? "[stack]"
                : (status & AreaStatus.Vdso) != 0 ? "[vdso]"
                : (status & AreaStatus.Vvar) != 0 ? "[vvar]"
                : (status & AreaStatus.Vsyscall) != 0 ? "[vsyscall]"
                : (status & AreaStatus.AioRing) != 0 ? "[aio]"
                : (status & AreaStatus.SystemV) != 0 ? "[sysv]"
                : (status & AreaStatus.AnonymousShared) != 0 ? "[shmem]"
                : "";
        }
    }

    /// <summary>The area's offset in the mapped file or shared memory segment, in bytes.</summary>
    public long FileOffset => (long)_area.FileOffset;

    /// <summary>How much of the area is in the image and its parents, in bytes. Shared memory is counted in each area that maps it.</summary>
    public long Dumped => _dumped >= 0 ? _dumped : _dumped = SumDumped();

    internal MappedArea Area => _area;

    /// <inheritdoc/>
    public override string ToString() => $"{Start:x}-{End:x} {Protection} {Path}".TrimEnd();

    private long SumDumped()
    {
        var stretches = new List<MemoryStretch>();
        _memory.Map(_area, _area.Start, _area.End, stretches);
        ulong sum = 0;
        foreach (MemoryStretch stretch in stretches)
        {
            sum += stretch.Origin == PageOrigin.Pages ? stretch.Length : 0;
        }

        return (long)Math.Min(sum, long.MaxValue);
    }
}
