namespace PSCrac;

/// <summary>
/// The exception that all failed operations of PSCrac throw: the operation, its subject, the reason and the recommended action.
/// </summary>
public sealed class CracException : Exception
{
    private CracOperation? _operation;
    private int? _processId;
    private string? _imagePath;

    /// <summary>Creates the exception.</summary>
    /// <param name="reason">Why the operation failed.</param>
    /// <param name="message">One or two sentences that need no knowledge of CRIU.</param>
    /// <param name="recommendedAction">What to do next, with the parameter or the command; null if there is no recommendation.</param>
    /// <param name="innerException">The cause; null for none.</param>
    public CracException(CracReason reason, string message, string? recommendedAction = null, Exception? innerException = null)
        : base(message, innerException)
    {
        Reason = reason;
        RecommendedAction = recommendedAction;
    }

    /// <summary>The same failure with another recommended action.</summary>
    internal CracException With(string recommendedAction) => new(Reason, Message, recommendedAction, this)
    {
        Operation = Operation,
        ProcessId = ProcessId,
        ImagePath = ImagePath,
        LogPath = LogPath,
        CriuLines = CriuLines,
        OutputLines = OutputLines,
        ExitCode = ExitCode,
        Findings = Findings,
        FileName = FileName,
        FileOffset = FileOffset,
    };

    /// <summary>
    /// Adds the context of an operation, without replacing what is already set. The outermost operation calls it once. Code inside
    /// the operation sets only what differs, such as another process or another image.
    /// </summary>
    internal void AddContext(CracOperation operation, int? processId, string? imagePath)
    {
        _operation ??= operation;
        _processId ??= processId;
        _imagePath ??= imagePath;
    }

    /// <summary>Why the operation failed.</summary>
    public CracReason Reason { get; }

    /// <summary>What to do next; null if there is no recommendation.</summary>
    public string? RecommendedAction { get; }

    /// <summary>
    /// The operation that failed; null if the failure was in none, such as a property of an image that could not be read.
    /// </summary>
    public CracOperation? Operation
    {
        get => _operation;
        init => _operation = value;
    }

    /// <summary>The process of the operation, or the one that prevented it; null if the failure concerns none.</summary>
    public int? ProcessId
    {
        get => _processId;
        init => _processId = value;
    }

    /// <summary>The image of the operation; null if it concerns none.</summary>
    public string? ImagePath
    {
        get => _imagePath;
        init => _imagePath = value;
    }

    /// <summary>The path of criu's log of the failed operation; null if criu wrote none.</summary>
    public string? LogPath { get; init; }

    /// <summary>The lines of criu's log, or of its standard error, that describe the failure; empty if there are none.</summary>
    public IReadOnlyList<string> CriuLines { get; init; } = [];

    /// <summary>The last lines that a program wrote before it ended or the wait for it timed out; empty if there are none.</summary>
    public IReadOnlyList<string> OutputLines { get; init; } = [];

    /// <summary>The exit code of a program that ended too early, 128 plus the signal number if a signal ended it; otherwise null.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The findings that caused the refusal; empty if they are not known.</summary>
    public IReadOnlyList<CracFinding> Findings { get; init; } = [];

    /// <summary>The file of an image that could not be read; null if the failure does not concern a single file.</summary>
    public string? FileName { get; init; }

    /// <summary>The offset in <see cref="FileName"/>, in bytes, at which reading failed; null if it is not known.</summary>
    public long? FileOffset { get; init; }
}
