namespace PSCrac.Moving;

/// <summary>Which process is moved, where to, and how.</summary>
internal sealed record MoveRequest
{
    /// <summary>The root's pid here.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The other host.</summary>
    public required MoveHost Host { get; init; }

    /// <summary>The image's name under the other host's image root; null for one of the process's name.</summary>
    public string? ImageName { get; init; }

    /// <summary>Whether established TCP connections move along; their addresses must.</summary>
    public bool TcpEstablished { get; init; }

    /// <summary>Where the tree is put on the other host.</summary>
    public CracPidNamespace PidNamespace { get; init; } = CracPidNamespace.Auto;

    /// <summary>Whether it runs on the other host before most of its memory is there.</summary>
    public bool LazyPages { get; init; }

    /// <summary>For how long this side tries to reach the other one again while pages are missing there. The other side waits a little longer, and then ends the process.</summary>
    internal TimeSpan PagesLimit { get; init; } = TimeSpan.FromSeconds(45);

    /// <summary>Whether the images stay, here and there.</summary>
    public bool KeepImage { get; init; }

    /// <summary>Called when the process is frozen and its image is on the other host, which has not begun to restore it; its exception ends the move.</summary>
    public Action<CracMovePlan>? BeforeRestore { get; init; }

    /// <summary>Called before the process continues here after <see cref="BeforeRestore"/> was called.</summary>
    public Action<CracMovePlan>? OnFallback { get; init; }

    /// <summary>Called at each state that is reached, for tests that break something there.</summary>
    internal Action<MoveState>? Reached { get; init; }
}
