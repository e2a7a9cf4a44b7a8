namespace PSCrac;

/// <summary>The engine of a checkpoint.</summary>
public enum CracEngine
{
    /// <summary>criu, started by PSCrac or directly.</summary>
    Criu = 0,

    /// <summary>criu, started by a CRaC JVM (which adds a file named cppath or engine).</summary>
    Jvm,
}

/// <summary>The state of a process in an image. The values are those of criu's task_state.</summary>
public enum CracProcessState
{
    /// <summary>Not in the image, or not known to criu 4.2.</summary>
    Unknown = 0,

    /// <summary>Running or sleeping.</summary>
    Alive = 1,

    /// <summary>Ended.</summary>
    Dead = 2,

    /// <summary>Stopped by a signal.</summary>
    Stopped = 3,

    /// <summary>Ended, and not yet reaped by its parent.</summary>
    Zombie = 6,
}
