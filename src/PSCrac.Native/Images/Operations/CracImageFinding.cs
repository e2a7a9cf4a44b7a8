namespace PSCrac.Images.Operations;

/// <summary>The kind of damage. Findings of one kind have one cause.</summary>
internal enum ImageFindingKind
{
    /// <summary>A reference to something that is missing or exists twice.</summary>
    Reference = 0,

    MissingFile,
    OtherSize,
    OtherContent,

    /// <summary>The content is not valid for a file of its type.</summary>
    Unreadable,
}

/// <summary>Damage of an image.</summary>
/// <param name="Reason">The reason for error records.</param>
/// <param name="FileName">The file; null if the damage is not in one file.</param>
/// <param name="FileOffset">The offset in the file, in bytes; null if unknown.</param>
/// <param name="ProcessId">The affected process; null if there is none.</param>
/// <param name="Message">The description, as a sentence.</param>
internal sealed record CracImageFinding(CracReason Reason, string? FileName, long? FileOffset, int? ProcessId, string Message)
{
    /// <summary>The affected part of the file, such as a descriptor of a process; null for the whole file.</summary>
    internal string? Entry { get; init; }

    internal ImageFindingKind Kind { get; init; } = ImageFindingKind.Reference;

    /// <inheritdoc/>
    public override string ToString() => Message;
}
