using PSCrac.Images.Memory;

namespace PSCrac.CoreDumps;

/// <summary>A PT_LOAD segment of a core: memory whose content is in the core, and behind it memory whose content is not.</summary>
/// <param name="Address">The first address.</param>
/// <param name="MemorySize">The size of the memory, in bytes.</param>
/// <param name="FileSize">How much of it, from the first byte on, is in the core, in bytes.</param>
/// <param name="Flags">The access rights (PF_R, PF_W, PF_X).</param>
internal readonly record struct CoreSegment(ulong Address, ulong MemorySize, ulong FileSize, uint Flags);

/// <summary>What is in a core: its segments, and what is left out.</summary>
internal sealed class CoreContents
{
    private readonly List<CoreSegment> _segments = [];
    private readonly Dictionary<(CracOmissionReason, string), ulong> _omissions = [];
    private readonly List<CracCoreDumpOmission> _threads = [];

    /// <summary>The segments, ordered by address.</summary>
    internal IReadOnlyList<CoreSegment> Segments => _segments;

    /// <summary>The bytes of memory that are in the core.</summary>
    internal long FileSize { get; private set; }

    /// <summary>What of the memory is left out, and which threads.</summary>
    internal IReadOnlyList<CracCoreDumpOmission> LeftOut
    {
        get
        {
            var all = new List<CracCoreDumpOmission>(_threads);
            foreach (((CracOmissionReason reason, string path), ulong size) in _omissions)
            {
                all.Add(new CracCoreDumpOmission(reason, path, (long)Math.Min(size, long.MaxValue)));
            }

            return all;
        }
    }

    /// <summary>The first of those that the image should have; null if there is none.</summary>
    internal CracCoreDumpOmission? FirstGap => LeftOut.FirstOrDefault(static each => each.Reason is CracOmissionReason.Lazy or CracOmissionReason.MissingInParent or CracOmissionReason.ImageCut);

    /// <summary>Adds an area, which becomes one segment, or several where something before its end is left out.</summary>
    /// <param name="area">The area.</param>
    /// <param name="pieces">All of its pieces.</param>
    internal void Add(in MappedArea area, List<CorePiece> pieces)
    {
        // PROT_READ, PROT_WRITE and PROT_EXEC are 1, 2 and 4; PF_R, PF_W and PF_X are 4, 2 and 1.
        uint flags = ((area.Protection & 1) << 2) | (area.Protection & 2) | ((area.Protection >> 2) & 1);
        var segment = new CoreSegment(area.Start, 0, 0, flags);
        foreach (CorePiece piece in pieces)
        {
            if (piece.Kind == CorePieceKind.None)
            {
                segment = segment with { MemorySize = segment.MemorySize + piece.Length };
                LeaveOut(area, piece);
                continue;
            }

            if (segment.MemorySize > segment.FileSize)
            {
                _segments.Add(segment);
                segment = new CoreSegment(piece.Address, 0, 0, flags);
            }

            segment = segment with { MemorySize = segment.MemorySize + piece.Length, FileSize = segment.FileSize + piece.Length };
            FileSize += (long)piece.Length;
        }

        if (segment.MemorySize > 0)
        {
            _segments.Add(segment);
        }
    }

    /// <summary>Adds a thread that is not in the core.</summary>
    internal void LeaveOutThread(int threadId) => _threads.Add(new CracCoreDumpOmission(CracOmissionReason.ImageCut, CoreThread.FileNameFor(threadId), 0));

    private void LeaveOut(in MappedArea area, in CorePiece piece)
    {
        const uint AnyAccess = 7;

        // Reserved addresses, what is behind the end of a file, and what lies between the parts of a library have no content.
        bool isOfFile = piece.Reason is CracOmissionReason.InFile or CracOmissionReason.FileChanged or CracOmissionReason.FileMissing;
        if ((piece.Reason == CracOmissionReason.NotDumped && piece.Missing == "") || (isOfFile && (area.Protection & AnyAccess) == 0))
        {
            return;
        }

        (CracOmissionReason, string) key = (piece.Reason, piece.Missing ?? "");
        _omissions[key] = _omissions.GetValueOrDefault(key) + piece.Length;
    }
}
