namespace PSCrac.Moving;

/// <summary>The states of the near side of a move (docs/moving.md).</summary>
internal enum MoveState
{
    /// <summary>The far side has greeted.</summary>
    Connected,

    /// <summary>Both sides were examined, and nothing blocks the move.</summary>
    Examined,

    /// <summary>The tree is frozen, and its image is complete here.</summary>
    Frozen,

    /// <summary>The image was sent.</summary>
    Sent,

    /// <summary>The far side was told to restore.</summary>
    Restoring,

    /// <summary>The far side is ready, and waits for GO.</summary>
    Ready,

    /// <summary>It is on the disk that the process is given away; criu is told to kill it.</summary>
    Given,

    /// <summary>The tree here has ended.</summary>
    Killed,

    /// <summary>GO was sent.</summary>
    Going,

    /// <summary>The far side said that the process runs there.</summary>
    Moved,

    /// <summary>With lazy pages: the far side has all of them.</summary>
    Completed,
}
