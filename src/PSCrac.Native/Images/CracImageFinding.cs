namespace PSCrac;

/// <summary>Something that is wrong with an image.</summary>
/// <param name="Reason">What kind of damage it is.</param>
/// <param name="FileName">The file; null where it is not one file's.</param>
/// <param name="FileOffset">The offset in the file, in bytes; null where it is not known.</param>
/// <param name="ProcessId">The process that is concerned; null where none is.</param>
/// <param name="Message">What is wrong, as a sentence.</param>
public sealed record CracImageFinding(CracReason Reason, string? FileName, long? FileOffset, int? ProcessId, string Message)
{
    /// <inheritdoc/>
    public override string ToString() => Message;
}
