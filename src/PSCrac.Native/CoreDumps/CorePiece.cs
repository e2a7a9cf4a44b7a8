using PSCrac.Images.Memory;

namespace PSCrac.CoreDumps;

/// <summary>Where the content of a piece of memory is.</summary>
internal enum CorePieceKind
{
    /// <summary>Nowhere that it could be had from: it is left out.</summary>
    None = 0,

    /// <summary>In a pages file.</summary>
    Pages,

    /// <summary>All bytes are zero.</summary>
    Zero,

    /// <summary>In the mapped file.</summary>
    File,
}

/// <summary>A piece of a process's memory whose content is contiguous in one place.</summary>
/// <param name="Address">The first address.</param>
/// <param name="Length">The length, in bytes.</param>
/// <param name="Kind">Where the content is.</param>
/// <param name="Offset">The offset there, in bytes.</param>
internal readonly record struct CorePiece(ulong Address, ulong Length, CorePieceKind Kind, long Offset = 0)
{
    /// <summary>The pages that it is in.</summary>
    internal PageStack? Stack { get; init; }

    /// <summary>The image among those of <see cref="Stack"/>.</summary>
    internal int Level { get; init; }

    /// <summary>The mapped file that it is in.</summary>
    internal MappedFile? File { get; init; }

    /// <summary>Why it is left out.</summary>
    internal CracOmissionReason Reason { get; init; }

    /// <summary>The file, of the process or of the image, that it is not to be had from; null if it is in none, and empty where there is no content.</summary>
    internal string? Missing { get; init; }
}
