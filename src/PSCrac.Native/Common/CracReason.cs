namespace PSCrac;

/// <summary>Why an operation failed, as far as PSCrac could tell. It is the id of the error record that a cmdlet writes.</summary>
public enum CracReason
{
    /// <summary>Nothing PSCrac knows: the message carries criu's own first error lines.</summary>
    Unknown = 0,

    /// <summary>No usable criu program was found.</summary>
    CriuNotFound,

    /// <summary>No usable libcriu was found.</summary>
    LibCriuNotFound,

    /// <summary>criu was found but does not work with this kernel.</summary>
    CriuTooOld,

    /// <summary>The criu worker ended before it answered.</summary>
    WorkerDied,

    /// <summary>criu refused an option, or PSCrac refused to pass it on.</summary>
    OptionRefused,

    /// <summary>No process has the given id.</summary>
    ProcessNotFound,

    /// <summary>The process ended, or changed beyond recognition, while it was being looked at.</summary>
    ProcessGone,

    /// <summary>This process cannot be checkpointed by its own descendant, or is one that must not be stopped.</summary>
    ProcessNotEligible,

    /// <summary>A process id of the image belongs to another process.</summary>
    PidInUse,

    /// <summary>The caller lacks a privilege.</summary>
    PermissionDenied,

    /// <summary>A TCP connection is open and no option says what to do with it.</summary>
    TcpConnectionOpen,

    /// <summary>The process has a terminal, or the image wants one, and no option says what to do with it.</summary>
    TerminalAttached,

    /// <summary>A file is not as it was at the checkpoint.</summary>
    FileChanged,

    /// <summary>A file that the image needs is not there.</summary>
    FileMissing,

    /// <summary>An unlinked file is open and is larger than the ghost limit, or cannot be kept.</summary>
    FileUnlinked,

    /// <summary>File locks are held and no option says to keep them.</summary>
    FileLocksHeld,

    /// <summary>A unix socket's other end is outside the process tree.</summary>
    UnixSocketExternal,

    /// <summary>The address or port that a socket was bound to is taken or not there.</summary>
    AddressUnavailable,

    /// <summary>The process uses something that criu cannot checkpoint.</summary>
    ResourceUnsupported,

    /// <summary>The process lives in a namespace that criu cannot checkpoint from here.</summary>
    NamespaceUnsupported,

    /// <summary>The process is being traced (a debugger).</summary>
    ProcessTraced,

    /// <summary>The tree could not be frozen in time.</summary>
    FreezeTimeout,

    /// <summary>The kernel lacks something that an option needs.</summary>
    KernelFeatureMissing,

    /// <summary>A program that criu runs is not there, or one that it needs cannot be used.</summary>
    ProgramMissing,

    /// <summary>The CPU lacks something that the image's processes use.</summary>
    CpuIncompatible,

    /// <summary>No space is left where the image is written.</summary>
    NoSpace,

    /// <summary>The path is not an image.</summary>
    NotAnImage,

    /// <summary>Files of the image are missing or cut short.</summary>
    ImageIncomplete,

    /// <summary>The image's files do not hold what they should.</summary>
    ImageCorrupt,

    /// <summary>Other images build on the image.</summary>
    ImageInUse,

    /// <summary>Something is already where the image should go.</summary>
    ImageExists,

    /// <summary>Someone else could have written the image.</summary>
    ImageNotTrusted,

    /// <summary>The image could be restored once, and has been.</summary>
    ImageConsumed,

    /// <summary>The image was made, but could not be put in place.</summary>
    SealFailed,

    /// <summary>A program could not be started.</summary>
    ProgramNotStarted,

    /// <summary>A program ended before it was ready.</summary>
    ProgramEnded,

    /// <summary>A wait took longer than it was allowed to.</summary>
    TimedOut,

    /// <summary>The image does not hold the memory that was asked for.</summary>
    MemoryNotInImage,

    /// <summary>The JVM would not be checkpointed: its application holds what it cannot bring back, or failed to prepare.</summary>
    JvmRefused,

    /// <summary>The JVM takes no commands: attaching is off, or it did not answer.</summary>
    JvmNotAttachable,

    /// <summary>The JVM does not know CRaC, or was not started for it.</summary>
    JvmNotCapable,
}
