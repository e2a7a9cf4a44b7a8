namespace PSCrac.Common;

/// <summary>The phases of a start, of a checkpoint and of a restore, in their order, and of archives.</summary>
public enum CracPhase
{
    /// <summary>Starting a program.</summary>
    Starting,

    /// <summary>Waiting until a program is ready.</summary>
    WaitingUntilReady,

    /// <summary>Running the warm-up of a program that is ready, so that one-time work is done before the checkpoint.</summary>
    WarmingUp,

    /// <summary>Examining the process or the image.</summary>
    Preparing,

    /// <summary>Waiting for process ids of processes that are ending.</summary>
    WaitingForPids,

    /// <summary>Stopping the tree's tasks.</summary>
    Freezing,

    /// <summary>Writing the image.</summary>
    Dumping,

    /// <summary>Hashing, syncing and renaming the image; the tasks are still stopped.</summary>
    Sealing,

    /// <summary>Killing the tasks, or letting them continue.</summary>
    Finishing,

    /// <summary>Creating the image's tasks and restoring their state.</summary>
    Restoring,

    /// <summary>Letting the restored tasks run.</summary>
    Resuming,

    /// <summary>Writing an archive.</summary>
    Packing,

    /// <summary>Reading an archive, and writing the image that is in it.</summary>
    Unpacking,

    /// <summary>Connecting to another host, and asking it whether it can take the process.</summary>
    Connecting,

    /// <summary>Sending the image to another host; the tasks are still stopped.</summary>
    Sending,

    /// <summary>Writing a core of a process in an image.</summary>
    DumpingCore,
}

/// <summary>The progress of an operation.</summary>
/// <param name="Phase">The current phase.</param>
/// <param name="Bytes">Bytes of memory pages, or of an archive's content, written so far; 0 in phases that write none.</param>
/// <param name="ExpectedBytes">The estimated total in bytes: the tree's memory that no file backs, or the image's size; 0 if it is not known.</param>
public readonly record struct CracProgress(CracPhase Phase, long Bytes, long ExpectedBytes);
