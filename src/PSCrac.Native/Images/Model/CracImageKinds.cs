namespace PSCrac;

/// <summary>What took a checkpoint.</summary>
public enum CracEngine
{
    /// <summary>criu, started by PSCrac or by hand.</summary>
    Criu = 0,

    /// <summary>criu, started by a CRaC JVM (it leaves a file named cppath).</summary>
    Jvm,
}

/// <summary>The state a process of an image was in. The values are those of criu's task_state.</summary>
public enum CracProcessState
{
    /// <summary>The image does not say, or says what criu 4.2 does not know.</summary>
    Unknown = 0,

    /// <summary>Running or sleeping.</summary>
    Alive = 1,

    /// <summary>Ended.</summary>
    Dead = 2,

    /// <summary>Stopped by a signal.</summary>
    Stopped = 3,

    /// <summary>Ended, and not yet waited for.</summary>
    Zombie = 6,
}
