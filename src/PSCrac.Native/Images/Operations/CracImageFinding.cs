namespace PSCrac;

/// <summary>What kind of damage it is; what is of one kind has one cause.</summary>
internal enum ImageFindingKind
{
    /// <summary>Something that refers to what is not there, or is there twice.</summary>
    Reference = 0,

    MissingFile,
    OtherSize,
    OtherContent,

    /// <summary>The file's bytes are not what a file of its kind holds.</summary>
    Unreadable,
}

/// <summary>Something that is wrong with an image.</summary>
/// <param name="Reason">What kind of damage it is.</param>
/// <param name="FileName">The file; null where it is not one file's.</param>
/// <param name="FileOffset">The offset in the file, in bytes; null where it is not known.</param>
/// <param name="ProcessId">The process that is concerned; null where none is.</param>
/// <param name="Message">What is wrong, as a sentence.</param>
internal sealed record CracImageFinding(CracReason Reason, string? FileName, long? FileOffset, int? ProcessId, string Message)
{
    /// <summary>What of the file is concerned, such as a descriptor of a process; null for the file.</summary>
    internal string? Entry { get; init; }

    internal ImageFindingKind Kind { get; init; } = ImageFindingKind.Reference;

    /// <inheritdoc/>
    public override string ToString() => Message;
}
