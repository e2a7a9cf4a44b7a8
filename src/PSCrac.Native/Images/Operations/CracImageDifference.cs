namespace PSCrac;

/// <summary>What differs between two images.</summary>
public enum CracDifferenceKind
{
    /// <summary>A process.</summary>
    Process = 0,

    /// <summary>A descriptor.</summary>
    File,

    /// <summary>A socket.</summary>
    Socket,

    /// <summary>A memory area.</summary>
    MemoryArea,

    /// <summary>The content of a process's memory.</summary>
    Pages,

    /// <summary>The content of all processes' memory: the sum of the others.</summary>
    AllPages,
}

/// <summary>How it differs.</summary>
public enum CracChange
{
    /// <summary>Only the second image has it.</summary>
    Added = 0,

    /// <summary>Only the first image has it.</summary>
    Removed,

    /// <summary>Both have it, but not the same.</summary>
    Changed,
}

/// <summary>One difference between two images.</summary>
/// <param name="Kind">What differs.</param>
/// <param name="Change">How.</param>
/// <param name="ProcessId">The process; for a process that came or went, itself; 0 for all processes together.</param>
/// <param name="Subject">What it is, in words: a command, a descriptor and its path, an area.</param>
/// <param name="Before">What the first image says; null where it has nothing.</param>
/// <param name="After">What the second image says; null where it has nothing.</param>
/// <param name="Bytes">By how many bytes an area grew (or, below 0, shrank), or how many bytes of memory changed; 0 for the rest.</param>
public sealed record CracImageDifference(
    CracDifferenceKind Kind, CracChange Change, int ProcessId, string Subject, string? Before, string? After, long Bytes)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Kind} {Change}: {ProcessId} {Subject}";
}
