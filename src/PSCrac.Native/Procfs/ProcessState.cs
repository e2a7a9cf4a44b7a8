namespace PSCrac.Procfs;

/// <summary>What a process is doing, by the letter in /proc/PID/stat (proc(5)).</summary>
internal enum ProcessState
{
    /// <summary>A letter this version does not know.</summary>
    Unknown = 0,

    /// <summary>R: running, or waiting for a processor.</summary>
    Running,

    /// <summary>S: asleep until something happens or a signal comes.</summary>
    Sleeping,

    /// <summary>D: asleep and deaf to signals, usually for a disk. criu cannot freeze it until it wakes.</summary>
    DiskSleep,

    /// <summary>T: stopped by a signal such as SIGSTOP.</summary>
    Stopped,

    /// <summary>t: stopped by a debugger.</summary>
    TracingStop,

    /// <summary>Z: ended, and kept until its parent asks how.</summary>
    Zombie,

    /// <summary>X: ended, and about to vanish.</summary>
    Dead,

    /// <summary>I: an idle thread of the kernel.</summary>
    Idle,

    /// <summary>P: a parked thread of the kernel.</summary>
    Parked,
}
