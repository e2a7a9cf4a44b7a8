namespace PSCrac.Common;

/// <summary>The phases of a start, of a checkpoint and of a restore, in their order.</summary>
public enum CracPhase
{
    /// <summary>Starting a program.</summary>
    Starting,

    /// <summary>Waiting until a program is ready.</summary>
    WaitingUntilReady,

    /// <summary>Using a program that is ready, so that what it does once is done before the checkpoint.</summary>
    WarmingUp,

    /// <summary>Looking at the process, or at the image.</summary>
    Preparing,

    /// <summary>Waiting for process ids that are on their way out.</summary>
    WaitingForPids,

    /// <summary>Stopping the tree's tasks.</summary>
    Freezing,

    /// <summary>Writing the image.</summary>
    Dumping,

    /// <summary>Hashing, syncing and renaming the image; the tasks are still stopped.</summary>
    Sealing,

    /// <summary>Killing the tasks, or letting them go on.</summary>
    Finishing,

    /// <summary>Making the image's tasks and filling them.</summary>
    Restoring,

    /// <summary>Letting the restored tasks run.</summary>
    Resuming,
}

/// <summary>How far an operation is.</summary>
/// <param name="Phase">What is being done.</param>
/// <param name="Bytes">Bytes of memory pages written so far; 0 in phases that write none.</param>
/// <param name="ExpectedBytes">About how many there will be: the tree's memory that no file backs; 0 where it is not known.</param>
public readonly record struct CracProgress(CracPhase Phase, long Bytes, long ExpectedBytes);
