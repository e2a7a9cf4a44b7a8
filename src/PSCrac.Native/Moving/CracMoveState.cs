namespace PSCrac;

/// <summary>Where a process is that was to be moved to another host.</summary>
public enum CracMoveState
{
    /// <summary>It was given away, and whether it runs on the other host is not known.</summary>
    Unknown = 0,

    /// <summary>It runs on the other host.</summary>
    Moved,

    /// <summary>It ran on the other host, and is ended there, since a part of its memory did not come.</summary>
    Lost,
}
