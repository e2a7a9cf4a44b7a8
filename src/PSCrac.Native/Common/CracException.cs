namespace PSCrac;

/// <summary>The one exception of PSCrac: what was tried, on what, why it failed and what to do about it.</summary>
public sealed class CracException : Exception
{
    private CracOperation? _operation;
    private int? _processId;
    private string? _imagePath;

    /// <summary>Creates the exception.</summary>
    /// <param name="reason">Why the operation failed.</param>
    /// <param name="message">One or two sentences a user can read without knowing CRIU.</param>
    /// <param name="recommendedAction">What to do next, naming the parameter or the command; null where nothing can be said.</param>
    /// <param name="innerException">The cause; null where there is none.</param>
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
    /// Adds what an operation knows of itself, where nobody nearer to the failure said it: called once, by the operation that the
    /// failure leaves. What is thrown in it says only what is its own, such as another process or another image.
    /// </summary>
    internal void AddContext(CracOperation operation, int? processId, string? imagePath)
    {
        _operation ??= operation;
        _processId ??= processId;
        _imagePath ??= imagePath;
    }

    /// <summary>Why the operation failed.</summary>
    public CracReason Reason { get; }

    /// <summary>What to do next; null where nothing can be said.</summary>
    public string? RecommendedAction { get; }

    /// <summary>The operation that failed; null where something else did, such as a property of an image that could not be read.</summary>
    public CracOperation? Operation
    {
        get => _operation;
        init => _operation = value;
    }

    /// <summary>The process the operation was about, or the one that stood in its way; null where it was about none.</summary>
    public int? ProcessId
    {
        get => _processId;
        init => _processId = value;
    }

    /// <summary>The image the operation was about; null where it was about none.</summary>
    public string? ImagePath
    {
        get => _imagePath;
        init => _imagePath = value;
    }

    /// <summary>criu's log of the failed operation; null where criu wrote none.</summary>
    public string? LogPath { get; init; }

    /// <summary>The lines of criu's log, or of its standard error, that tell the failure; empty where there are none.</summary>
    public IReadOnlyList<string> CriuLines { get; init; } = [];

    /// <summary>The last lines that a program wrote before it ended or was given up; empty where there are none.</summary>
    public IReadOnlyList<string> OutputLines { get; init; } = [];

    /// <summary>The exit code of a program that ended too early, 128 and the signal's number where a signal ended it; else null.</summary>
    public int? ExitCode { get; init; }

    /// <summary>What stood in the way, one by one; empty where that is not known.</summary>
    public IReadOnlyList<CracFinding> Findings { get; init; } = [];

    /// <summary>The file of an image that could not be read; null where the failure is not one file's.</summary>
    public string? FileName { get; init; }

    /// <summary>The offset in <see cref="FileName"/>, in bytes, where reading failed; null where it is not known.</summary>
    public long? FileOffset { get; init; }
}
