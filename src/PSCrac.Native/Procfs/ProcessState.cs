namespace PSCrac.Procfs;

/// <summary>The state of a process, from the letter in /proc/PID/stat (proc(5)).</summary>
internal enum ProcessState
{
    /// <summary>A letter that this version does not know.</summary>
    Unknown = 0,

    /// <summary>R: running, or waiting for a processor.</summary>
    Running,

    /// <summary>S: interruptible sleep, waiting for an event or a signal.</summary>
    Sleeping,

    /// <summary>D: uninterruptible sleep, usually for a disk. criu cannot freeze the process until it wakes.</summary>
    DiskSleep,

    /// <summary>T: stopped by a signal such as SIGSTOP.</summary>
    Stopped,

    /// <summary>t: stopped by a debugger.</summary>
    TracingStop,

    /// <summary>Z: ended, and not yet reaped by its parent.</summary>
    Zombie,

    /// <summary>X: ended, and about to be removed.</summary>
    Dead,

    /// <summary>I: an idle kernel thread.</summary>
    Idle,

    /// <summary>P: a parked kernel thread.</summary>
    Parked,
}
