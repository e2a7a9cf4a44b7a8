namespace PSCrac.Jvm;

/// <summary>What a Java runtime can do of CRaC (Coordinated Restore at Checkpoint).</summary>
internal enum CracSupport
{
    /// <summary>The runtime's files could not be read.</summary>
    Unknown = 0,

    /// <summary>None: it does not know -XX:CRaCCheckpointTo, and does not start with that option.</summary>
    None,

    /// <summary>It has the interface and the options, but no engine that writes an image.</summary>
    Simulated,

    /// <summary>It checkpoints through an engine of its own, whose images are not criu's.</summary>
    Warp,

    /// <summary>It checkpoints through criu.</summary>
    Criu,
}
