namespace PSCrac;

/// <summary>The operation that failed.</summary>
public enum CracOperation
{
    /// <summary>criu checked the features of this machine.</summary>
    Check = 0,

    /// <summary>A checkpoint of a process.</summary>
    Checkpoint,

    /// <summary>A restore from an image.</summary>
    Restore,

    /// <summary>A program was started, and waited for until it was ready.</summary>
    Start,

    /// <summary>Starts and restores of a program were measured.</summary>
    Measure,

    /// <summary>Files or memory of an image were read.</summary>
    Read,

    /// <summary>The memory of an image was searched.</summary>
    Search,

    /// <summary>Two images were compared.</summary>
    Compare,

    /// <summary>An image was removed.</summary>
    Remove,

    /// <summary>An image was signed.</summary>
    Protect,

    /// <summary>An image was written to an archive.</summary>
    Export,

    /// <summary>An image was made of an archive.</summary>
    Import,

    /// <summary>A process was moved to another host.</summary>
    Move,

    /// <summary>A core was made of a process in an image.</summary>
    CoreDump,
}
