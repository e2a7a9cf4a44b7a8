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

    /// <summary>The near side: pages for the process, which may run already: the file, the offset, the bytes.</summary>
    Pages = 14,

    /// <summary>The far side: the process waits for a page: the file, the offset.</summary>
    Want = 15,

    /// <summary>The far side: the oldest frame of pages on the way has come.</summary>
    Taken = 16,

    /// <summary>The far side: all pages are in; the path of its image, if it keeps it.</summary>
    Complete = 17,

    /// <summary>The near side, over another connection: the pages of a move go on here.</summary>
    Attach = 18,

    /// <summary>The far side: which pages it has.</summary>
    Held = 19,

    /// <summary>The far side: these were all.</summary>
    Attached = 20,
}
