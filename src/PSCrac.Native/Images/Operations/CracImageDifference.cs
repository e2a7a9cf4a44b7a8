namespace PSCrac;

/// <summary>The kind of a difference between two images.</summary>
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

    /// <summary>The content of the memory of all processes: the sum over the processes.</summary>
    AllPages,
}

/// <summary>How something differs between two images.</summary>
public enum CracChange
{
    /// <summary>Only the second image has it.</summary>
    Added = 0,

    /// <summary>Only the first image has it.</summary>
    Removed,

    /// <summary>Both images have it, with different values.</summary>
    Changed,
}

/// <summary>One difference between two images.</summary>
/// <param name="Kind">What differs.</param>
/// <param name="Change">How it differs.</param>
/// <param name="ProcessId">The process id; 0 for all processes together.</param>
/// <param name="Subject">What differs, as text: a command, a descriptor number, an area.</param>
/// <param name="Before">The value in the first image; null if there is none.</param>
/// <param name="After">The value in the second image; null if there is none.</param>
/// <param name="Bytes">The growth of an area, in bytes (negative if it shrank), or the size of the changed memory; 0 for other kinds.</param>
public sealed record CracImageDifference(
    CracDifferenceKind Kind, CracChange Change, int ProcessId, string Subject, string? Before, string? After, long Bytes)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Kind} {Change}: {ProcessId} {Subject}";
}
