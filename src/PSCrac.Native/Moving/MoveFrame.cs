namespace PSCrac.Moving;

/// <summary>The frames of the protocol between the two sides of a move (docs/moving.md). The values are on the wire.</summary>
internal enum MoveFrame : byte
{
    /// <summary>The far side: its protocol, version and name. It follows <see cref="MoveProtocol.Greeting"/>.</summary>
    Hello = 1,

    /// <summary>The near side: what the process needs.</summary>
    Question = 2,

    /// <summary>The far side: what it found out.</summary>
    Answer = 3,

    /// <summary>The near side: the image's name and its files, whose bytes follow.</summary>
    Image = 4,

    /// <summary>The near side: bytes of the file at hand.</summary>
    Data = 5,

    /// <summary>The near side: restore it, up to the point where nothing runs yet.</summary>
    Restore = 6,

    /// <summary>The far side: everything is restored, and nothing runs yet.</summary>
    Ready = 7,

    /// <summary>The near side: the process has ended here; let it run there.</summary>
    Go = 8,

    /// <summary>The far side: it runs.</summary>
    Resumed = 9,

    /// <summary>The far side: it failed, and whether the process may have run.</summary>
    Failed = 10,

    /// <summary>The near side, over another connection: what became of a move? One that still waits may not resume any more.</summary>
    Settle = 11,

    /// <summary>The far side: what became of it.</summary>
    Settled = 12,

    /// <summary>The near side: it knows, and nothing more will come.</summary>
    End = 13,
}
