namespace PSCrac;

/// <summary>Why an operation failed. A cmdlet uses it as the id of the error record.</summary>
public enum CracReason
{
    /// <summary>A failure that PSCrac does not know: the message has criu's own first error line.</summary>
    Unknown = 0,

    /// <summary>No usable criu program was found.</summary>
    CriuNotFound,

    /// <summary>No usable libcriu was found.</summary>
    LibCriuNotFound,

    /// <summary>criu was found but does not work with this kernel.</summary>
    CriuTooOld,

    /// <summary>The criu worker ended before it sent its response.</summary>
    WorkerDied,

    /// <summary>criu refused an option, or PSCrac refused to pass it on.</summary>
    OptionRefused,

    /// <summary>No process has the given id.</summary>
    ProcessNotFound,

    /// <summary>The process ended during the operation.</summary>
    ProcessGone,

    /// <summary>The process is an ancestor of this session or this session itself, or must not be stopped.</summary>
    ProcessNotEligible,

    /// <summary>A process id of the image is in use by another process.</summary>
    PidInUse,

    /// <summary>The caller lacks a privilege.</summary>
    PermissionDenied,

    /// <summary>A TCP connection is open and no option says what to do with it.</summary>
    TcpConnectionOpen,

    /// <summary>The process has a terminal, or the image wants one, and no option says what to do with it.</summary>
    TerminalAttached,

    /// <summary>A file has changed since the checkpoint.</summary>
    FileChanged,

    /// <summary>A file that the image needs does not exist.</summary>
    FileMissing,

    /// <summary>An unlinked file is open and is larger than the ghost limit, or cannot be saved.</summary>
    FileUnlinked,

    /// <summary>File locks are held and no option says to keep them.</summary>
    FileLocksHeld,

    /// <summary>A unix socket's other end is outside the process tree.</summary>
    UnixSocketExternal,

    /// <summary>The address or port that a socket was bound to is in use or does not exist.</summary>
    AddressUnavailable,

    /// <summary>The process uses something that criu cannot checkpoint.</summary>
    ResourceUnsupported,

    /// <summary>The process is in a namespace that criu cannot checkpoint from here.</summary>
    NamespaceUnsupported,

    /// <summary>The process is being traced (a debugger).</summary>
    ProcessTraced,

    /// <summary>The tree could not be frozen in time.</summary>
    FreezeTimeout,

    /// <summary>The kernel lacks something that an option needs.</summary>
    KernelFeatureMissing,

    /// <summary>A program that criu runs is missing, or one that it needs cannot be used.</summary>
    ProgramMissing,

    /// <summary>The CPU lacks something that the image's processes use.</summary>
    CpuIncompatible,

    /// <summary>No space is left where the image is written.</summary>
    NoSpace,

    /// <summary>The path is not an image.</summary>
    NotAnImage,

    /// <summary>Files of the image are missing or truncated.</summary>
    ImageIncomplete,

    /// <summary>The image's files have invalid content.</summary>
    ImageCorrupt,

    /// <summary>Other images build on the image.</summary>
    ImageInUse,

    /// <summary>The target path of the image already exists.</summary>
    ImageExists,

    /// <summary>Someone else could have written the image.</summary>
    ImageNotTrusted,

    /// <summary>The image could be restored only once, and has been.</summary>
    ImageConsumed,

    /// <summary>The image was written, but could not be moved to its target path.</summary>
    SealFailed,

    /// <summary>A program could not be started.</summary>
    ProgramNotStarted,

    /// <summary>A program ended before it was ready.</summary>
    ProgramEnded,

    /// <summary>A wait exceeded its time limit.</summary>
    TimedOut,

    /// <summary>The image does not contain the requested memory.</summary>
    MemoryNotInImage,

    /// <summary>The JVM refused the checkpoint: its application holds something that cannot be restored, or failed to prepare.</summary>
    JvmRefused,

    /// <summary>The JVM accepts no commands: attaching is disabled, or it did not answer.</summary>
    JvmNotAttachable,

    /// <summary>The JVM does not support CRaC, or was not started for it.</summary>
    JvmNotCapable,

    /// <summary>The image was created from another command line, or from files that have changed since.</summary>
    ImageOutdated,

    /// <summary>Every copy that is restored from the image continues with the same state of a random number generator.</summary>
    RandomStateRepeated,

    /// <summary>A clock has another value at the restore than the program expects.</summary>
    ClockChanged,

    /// <summary>The process has a namespace of its own, which criu saves and restores, or enters.</summary>
    OwnNamespace,

    /// <summary>There is no description of the service.</summary>
    ServiceNotFound,

    /// <summary>There is a description of the service already.</summary>
    ServiceExists,

    /// <summary>The description of the service is not valid.</summary>
    ServiceInvalid,

    /// <summary>Someone other than root and the caller could have written the description of the service.</summary>
    ServiceNotTrusted,

    /// <summary>The service is started already.</summary>
    ServiceRunning,

    /// <summary>Someone else may change a program, library, script or configuration file that would be used as root.</summary>
    FileNotTrusted,

    /// <summary>The image has a format that is newer than the program that is to read it.</summary>
    ImageTooNew,

    /// <summary>The image has no signature, and one is required.</summary>
    SignatureMissing,

    /// <summary>The signature is not of this image, or is none.</summary>
    SignatureInvalid,

    /// <summary>No signature that counts: the allowed-signers file does not allow the key.</summary>
    SignerNotAllowed,

    /// <summary>The folder of criu's logs cannot be written to: it is full, read-only, or belongs to someone else.</summary>
    LogFolderUnusable,

    /// <summary>A limit of this session is too low: on descriptors, processes, memory or the size of files (getrlimit(2), cgroups(7)).</summary>
    LimitTooLow,

    /// <summary>An archive is encrypted, and could not be decrypted: without an identity, with another's, or because it is damaged.</summary>
    DecryptionFailed,

    /// <summary>This criu does not have what an option or the image needs.</summary>
    CriuFeatureMissing,

    /// <summary>The other host of a move cannot be reached, or does not let this user in.</summary>
    HostUnreachable,

    /// <summary>The other host of a move has no pwsh or no PSCrac that this one understands.</summary>
    HostNotReady,

    /// <summary>The connection to the other host ended during a move, or the other host did not answer.</summary>
    ConnectionLost,

    /// <summary>A process was given away to another host, and whether it runs there is not known.</summary>
    MoveUncertain,

    /// <summary>A registry cannot be reached, or does not answer.</summary>
    RegistryUnavailable,

    /// <summary>A registry has no TLS, or a certificate that is not trusted.</summary>
    RegistryNotTrusted,
}
