namespace PSCrac.Moving;

/// <summary>What both sides of a move must agree on.</summary>
internal static class MoveProtocol
{
    /// <summary>The version of the protocol; both sides must have the same.</summary>
    internal const int Version = 2;

    /// <summary>The largest content of a frame, in bytes.</summary>
    internal const int MaximumFrame = 1 << 20;

    /// <summary>How long the far side waits for GO after it said READY, and then ends what it restored.</summary>
    internal static readonly TimeSpan GoLimit = TimeSpan.FromSeconds(30);

    /// <summary>How long the near side waits, after GO, for the far side to say what became of the process.</summary>
    internal static readonly TimeSpan OutcomeLimit = TimeSpan.FromSeconds(30);

    /// <summary>How long an answer to a question may take: the far side reads files and processes for it.</summary>
    internal static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(60);

    /// <summary>How long whoever settles a move waits for a receiver that was told GO, and has not said yet what came of it.</summary>
    internal static readonly TimeSpan SettlingLimit = TimeSpan.FromSeconds(5);

    /// <summary>What the far side's first frame follows. What a login shell writes before it is skipped.</summary>
    internal static ReadOnlySpan<byte> Greeting => "\nPSCrac moving\n"u8;
}
