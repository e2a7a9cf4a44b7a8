using PSCrac.Images.Memory;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;

namespace PSCrac.CoreDumps;

/// <summary>Says where each piece of a process's memory is, in the image or in the mapped files, and reads it.</summary>
internal sealed class CoreMemory : IDisposable
{
    private const uint AnyAccess = 7; // PROT_READ, PROT_WRITE, PROT_EXEC
    private const ulong LargeArea = 1 << 30;
    private const AreaStatus KernelMemory = AreaStatus.Vsyscall | AreaStatus.Vvar;
    private readonly ProcessMemory _memory;
    private readonly OpenFileTable _table;
    private readonly MappedFiles _files;
    private readonly ulong _pageSize;
    private readonly PagesFiles _pages = new();
    private readonly List<MemoryStretch> _stretches = [];

    /// <param name="process">The process.</param>
    /// <param name="memory">Its memory.</param>
    /// <param name="include">How much of mapped files is included.</param>
    internal CoreMemory(CracImageProcess process, ProcessMemory memory, CracIncludeFile include)
    {
        _memory = memory;
        _table = process.Image.OpenFiles;
        _files = new MappedFiles(process.Image);
        _pageSize = (ulong)PageSizeOf(memory.Space);
        IncludeFile = include != CracIncludeFile.Auto ? include : IsDotNet(process, memory.Space) ? CracIncludeFile.All : CracIncludeFile.Header;
    }

    /// <summary>How much of mapped files is included; never Auto.</summary>
    internal CracIncludeFile IncludeFile { get; }

    /// <summary>The size of a page of the process, in bytes.</summary>
    internal int PageSize => (int)_pageSize;

    /// <summary>The areas of the process.</summary>
    internal ReadOnlySpan<MappedArea> Areas => _memory.Space.Areas;

    /// <summary>Whether an area is not the process's own memory, but the kernel's: it has no part in a core.</summary>
    internal static bool IsOfKernel(in MappedArea area) => (area.Status & KernelMemory) != 0;

    /// <summary>Divides an area into pieces without gaps.</summary>
    /// <param name="area">The area.</param>
    /// <param name="pieces">Receives the pieces.</param>
    internal void Divide(in MappedArea area, List<CorePiece> pieces) => Divide(area, area.Start, area.End, IncludeFile, pieces);

    /// <summary>Reads from the process's memory, also from mapped files, whatever is included in the core.</summary>
    /// <returns>Whether all of it is to be had.</returns>
    internal bool TryRead(ulong address, Span<byte> buffer)
    {
        int index = _memory.Space.IndexOf(address);
        if (index < 0 || (ulong)buffer.Length > Areas[index].End - address)
        {
            return false;
        }

        var pieces = new List<CorePiece>();
        Divide(Areas[index], address, address + (ulong)buffer.Length, CracIncludeFile.All, pieces);
        foreach (CorePiece piece in pieces)
        {
            if (piece.Kind == CorePieceKind.None)
            {
                return false;
            }

            Read(piece, 0, buffer.Slice((int)(piece.Address - address), (int)piece.Length));
        }

        return true;
    }

    /// <summary>Reads a part of a piece that is not left out.</summary>
    internal void Read(in CorePiece piece, long from, Span<byte> buffer)
    {
        switch (piece.Kind)
        {
            case CorePieceKind.Pages:
                _pages.Open(piece.Stack!, piece.Level).ReadExactlyAt(piece.Offset + from, buffer);
                break;
            case CorePieceKind.File:
                piece.File!.Read(piece.Offset + from, buffer);
                break;
            default:
                buffer.Clear();
                break;
        }
    }

    public void Dispose()
    {
        _files.Dispose();
        _pages.Dispose();
    }

    private static int PageSizeOf(AddressSpace space)
    {
        const ulong PageSizeType = 6; // AT_PAGESZ
        const int LargestPage = 1 << 16;
        for (int i = 0; i + 1 < space.AuxiliaryVector.Count; i += 2)
        {
            if (space.AuxiliaryVector[i] == PageSizeType && space.AuxiliaryVector[i + 1] is >= PageMap.MinimumPageSize and <= LargestPage and var size && ulong.IsPow2(size))
            {
                return (int)size;
            }
        }

        return PageMap.MinimumPageSize;
    }

    private static bool IsDotNet(CracImageProcess process, AddressSpace space)
    {
        foreach (MappedArea area in space.Areas)
        {
            if ((area.Status & AreaStatus.FilePrivate) != 0 && process.Image.OpenFiles.PathOf((uint)area.ShmId).EndsWith("/libcoreclr.so", StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    private void Divide(in MappedArea area, ulong start, ulong end, CracIncludeFile include, List<CorePiece> pieces)
    {
        _stretches.Clear();
        if (_memory.FindSegment(area) is { } segment && _memory.GetSharedPages(segment) is null)
        {
            pieces.Add(WithoutPages(area, segment, start, end));
            return;
        }

        PageStack? stack = _memory.Map(area, start, end, _stretches);
        FileRange? range = null;
        foreach (MemoryStretch stretch in _stretches)
        {
            switch (stretch.Origin)
            {
                case PageOrigin.Pages:
                    AddPages(stack!, stretch, pieces);
                    break;
                case PageOrigin.Zero when IsReserved(area, stretch):
                    pieces.Add(new CorePiece(stretch.Address, stretch.Length, CorePieceKind.None) { Reason = CracOmissionReason.NotDumped, Missing = "" });
                    break;
                case PageOrigin.Zero:
                    pieces.Add(new CorePiece(stretch.Address, stretch.Length, CorePieceKind.Zero));
                    break;
                case PageOrigin.MappedFile when _memory.FindMemFdSegment(area) is { } memFd:
                    AddMemFd(area, memFd, stretch, pieces);
                    break;
                case PageOrigin.MappedFile:
                    range ??= FindRange(area, include);
                    range.Value.Add(stretch, area, pieces);
                    break;
                default:
                    bool isLazy = stretch.Origin == PageOrigin.Lazy;
                    pieces.Add(new CorePiece(stretch.Address, stretch.Length, CorePieceKind.None) { Reason = isLazy ? CracOmissionReason.Lazy : CracOmissionReason.MissingInParent });
                    break;
            }
        }
    }

    // Addresses that were only reserved, such as .NET's 256 GiB for its heap: a core of the kernel's has no content of them either.
    private static bool IsReserved(in MappedArea area, in MemoryStretch stretch) =>
        !area.IsShared && stretch.Length == area.Length && ((area.Protection & AnyAccess) == 0 || area.Length >= LargeArea);

    private void AddPages(PageStack stack, in MemoryStretch stretch, List<CorePiece> pieces)
    {
        ulong readable = (ulong)Math.Clamp(_pages.CountReadable(stack, stretch.Level) - stretch.FileOffset, 0, (long)stretch.Length);
        if (readable > 0)
        {
            pieces.Add(new CorePiece(stretch.Address, readable, CorePieceKind.Pages, stretch.FileOffset) { Stack = stack, Level = stretch.Level });
        }

        if (readable < stretch.Length)
        {
            string file = stack.Levels[stretch.Level].Map.PagesFile;
            pieces.Add(new CorePiece(stretch.Address + readable, stretch.Length - readable, CorePieceKind.None) { Reason = CracOmissionReason.ImageCut, Missing = file });
        }
    }

    /// <summary>Adds pages of a memfd that is mapped privately, which the process has not changed.</summary>
    private void AddMemFd(in MappedArea area, ulong segment, in MemoryStretch stretch, List<CorePiece> pieces)
    {
        if (_memory.GetSharedPages(segment) is not { } stack)
        {
            pieces.Add(WithoutPages(area, segment, stretch.Address, stretch.End));
            return;
        }

        var inner = new List<MemoryStretch>();
        ulong shift = area.Start - area.FileOffset;
        stack.Map(stretch.Address - shift, stretch.End - shift, PageOrigin.Zero, inner);
        foreach (MemoryStretch each in inner)
        {
            MemoryStretch here = each with { Address = each.Address + shift };
            if (each.Origin == PageOrigin.Pages)
            {
                AddPages(stack, here, pieces);
            }
            else
            {
                pieces.Add(new CorePiece(here.Address, here.Length, each.Origin == PageOrigin.Zero ? CorePieceKind.Zero : CorePieceKind.None) { Reason = CracOmissionReason.MissingInParent });
            }
        }
    }

    // criu writes no pagemap of an empty memfd.
    private CorePiece WithoutPages(in MappedArea area, ulong segment, ulong start, ulong end)
    {
        bool isEmpty = _table.Find((uint)area.ShmId)?.GetRecord("memfd") is { } memFd && _table.SizeOf(memFd) == 0 && _memory.FindMemFdSegment(area) == segment;
        return new CorePiece(start, end - start, CorePieceKind.None)
        {
            Reason = isEmpty ? CracOmissionReason.NotDumped : CracOmissionReason.ImageCut,
            Missing = isEmpty ? "" : PageMap.NameForShared(segment),
        };
    }

    private FileRange FindRange(in MappedArea area, CracIncludeFile include)
    {
        if ((area.Status & (AreaStatus.FilePrivate | AreaStatus.FileShared)) == 0)
        {
            return new FileRange(null, 0, 0);
        }

        MappedFile file = _files.Find((uint)area.ShmId);
        bool isWhole = file.IsInImage || ((area.Protection & AnyAccess) != 0
            && (include == CracIncludeFile.All || (include == CracIncludeFile.Header && !area.IsShared && _stretches.Exists(static stretch => stretch.Origin == PageOrigin.Pages))));
        bool isHeader = include == CracIncludeFile.Header && !area.IsShared && area.FileOffset == 0 && file.IsElf && (area.Protection & AnyAccess) != 0;

        // The last page has what is behind the end of the file, zeros; there is nothing in the pages behind it.
        ulong length = ((ulong)file.Length + _pageSize - 1) / _pageSize * _pageSize;
        ulong inFile = area.Start + Math.Min(area.Length, length > area.FileOffset ? length - area.FileOffset : 0);
        ulong included = !file.IsSame ? area.Start : isWhole ? inFile : isHeader ? Math.Min(inFile, area.Start + _pageSize) : area.Start;
        return new FileRange(file, included, inFile);
    }

    /// <summary>How much of an area's file is included.</summary>
    /// <param name="File">The file; null where the area is mapped from none.</param>
    /// <param name="IncludedEnd">The end of the addresses whose content is included.</param>
    /// <param name="FileEnd">The end of the addresses whose content is in the file.</param>
    private readonly record struct FileRange(MappedFile? File, ulong IncludedEnd, ulong FileEnd)
    {
        internal void Add(in MemoryStretch stretch, in MappedArea area, List<CorePiece> pieces)
        {
            ulong included = Math.Clamp(IncludedEnd, stretch.Address, stretch.End);
            if (included > stretch.Address)
            {
                pieces.Add(new CorePiece(stretch.Address, included - stretch.Address, CorePieceKind.File, (long)(stretch.Address - area.Start + area.FileOffset)) { File = File });
            }

            if (included < stretch.End)
            {
                bool isBehindEnd = File is { IsSame: true } && included >= FileEnd;
                CracOmissionReason reason = File is null || isBehindEnd ? CracOmissionReason.NotDumped : File.State;
                pieces.Add(new CorePiece(included, stretch.End - included, CorePieceKind.None) { Reason = reason, Missing = isBehindEnd ? "" : File?.Path });
            }
        }
    }
}
