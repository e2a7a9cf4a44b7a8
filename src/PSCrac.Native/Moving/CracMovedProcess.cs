namespace PSCrac;

/// <summary>
/// A process that was given to another host. It has no property named Id: Stop-Process would bind to it and end another process here.
/// </summary>
public sealed class CracMovedProcess
{
    /// <summary>Whether it is known to run there.</summary>
    public required CracMoveState State { get; init; }

    /// <summary>The command line, arguments separated by spaces.</summary>
    public required string Command { get; init; }

    /// <summary>The other host, as it was given.</summary>
    public required string HostName { get; init; }

    /// <summary>The root's pid there; null if it is not known.</summary>
    public int? RemoteProcessId { get; init; }

    /// <summary>The pid there of the first process of the pid namespace that it was put into; null where it was put into none of its own.</summary>
    public int? RemoteNamespaceInitId { get; init; }

    /// <summary>The root's pid here, before.</summary>
    public required int SourceProcessId { get; init; }

    /// <summary>From the freeze here until the other host said that it runs: the downtime, and the way of that message. Null if it did not say so.</summary>
    public TimeSpan? Downtime { get; init; }

    /// <summary>From the freeze until all memory was on the other host.</summary>
    public required TimeSpan TransferTime { get; init; }

    /// <summary>The bytes that were sent before it ran there.</summary>
    public required long BytesSentBefore { get; init; }

    /// <summary>The bytes that were sent in all.</summary>
    public required long BytesSent { get; init; }

    /// <summary>The path of its image here, if it was kept; null if it was removed.</summary>
    public string? ImagePath { get; init; }

    /// <summary>The path of its image there, if it was kept; null otherwise.</summary>
    public string? RemoteImagePath { get; init; }

    /// <summary>What is different there; sentences.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>How to find out where it is, or to continue here, with the commands; null if it runs there.</summary>
    public string? RecommendedAction { get; init; }

    /// <summary>Why it is not known where it is, or why it was ended there; null if it runs there.</summary>
    internal CracException? Failure { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Command} ({HostName}{(RemoteProcessId is { } id ? $": {id}" : "")})";
}
