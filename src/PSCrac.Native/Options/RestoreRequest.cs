using System.Runtime.InteropServices;
using PSCrac.Paging;
using PSCrac.Processes;
using PSCrac.Restoring;

namespace PSCrac.Options;

/// <summary>What to restore, and how.</summary>
public sealed record RestoreRequest
{
    /// <summary>The image.</summary>
    public required CracImage Image { get; init; }

    /// <summary>
    /// What restores the image of a JVM that checkpointed itself. <see cref="CracEngineChoice.Jvm"/>: <c>java
    /// -XX:CRaCRestoreFrom</c>, with the runtime that made the image; an error for any other image.
    /// <see cref="CracEngineChoice.Criu"/>: criu, after which the JVM is woken as its engine would.
    /// <see cref="CracEngineChoice.Auto"/>: java where <see cref="Jvm"/> has an option, or where java is available, supports CRaC,
    /// and no option is given that only criu supports; else criu. Any other image is restored by criu.
    /// </summary>
    public CracEngineChoice Engine { get; init; }

    /// <summary>Options for java; an error where criu restores.</summary>
    public JvmRestoreOptions Jvm { get; init; } = new();

    /// <summary>
    /// criu's options; what is null in them is taken from the image's manifest. java passes --shell-job to its criu and no
    /// other, and to be asked for others makes it a restore by criu, or an error.
    /// </summary>
    public RestoreOptions Options { get; init; } = new();

    /// <summary>
    /// Whether the restored root becomes this process's child, so that <see cref="CracRestoredProcess.WaitForExit"/>
    /// gives its exit code; otherwise it becomes init's.
    /// </summary>
    public bool AsChild { get; init; }

    /// <summary>Which open files of the image are replaced; only a restore by criu can replace any.</summary>
    public RestoreFiles Files { get; init; } = new();

    /// <summary>
    /// The pid namespace that the tree is restored into. Null: a new one where the tree was in another namespace than the session
    /// that took its checkpoint (<see cref="Images.Manifest.ImageManifestProcess.HostPid"/>), else the caller's. java restores into
    /// the caller's only: with it, <see cref="CracPidNamespace.Auto"/> and null are as <see cref="CracPidNamespace.Host"/>.
    /// </summary>
    public CracPidNamespace? PidNamespace { get; init; }

    /// <summary>Skips the ownership check. A restore runs the code in the image.</summary>
    public bool SkipTrustCheck { get; init; }

    /// <summary>
    /// Restores only an image that an allowed signer has signed. Pages and other large files are not hashed again: who signed and who
    /// imported the image did that, and since then its owner is trusted.
    /// </summary>
    public bool RequireSignature { get; init; }

    /// <summary>
    /// The full path of the allowed-signers file (ssh-keygen(1)); null for the one that PSCRAC_ALLOWED_SIGNERS names, or
    /// /etc/pscrac/allowed_signers.
    /// </summary>
    public string? AllowedSigners { get; init; }

    /// <summary>
    /// Skips the preflight of files, ports, addresses, processor and privileges; criu then finds out. The ownership, the image's
    /// own files and its pids are checked in any case.
    /// </summary>
    public bool SkipPreflight { get; init; }

    /// <summary>How long to wait for pids of processes that are ending.</summary>
    public TimeSpan PidTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The criu to use; null to look for it, or with java for the one that its runtime brings along.</summary>
    public string? CriuPath { get; init; }

    /// <summary>Descriptors that replace files of the image, each with criu's key for the file (--inherit-fd); the caller closes them.</summary>
    internal IReadOnlyList<(SafeHandle Descriptor, string Key)> Inherited { get; init; } = [];

    /// <summary>
    /// Ends the restored tree with this process, from its first task on until the caller releases it. Null: the tree continues
    /// when this process ends.
    /// </summary>
    internal SessionGuard? Guard { get; init; }

    /// <summary>
    /// Called when everything is restored and no task runs yet: all wait in criu's own code, and end with criu. Its exception makes criu
    /// end what it restored; after it the restore is not cancelled, nor repeated. Null for nothing.
    /// </summary>
    internal Action<HeldTree>? Restored { get; init; }

    /// <summary>Called after <see cref="Restored"/>, immediately before the tasks run. Null for nothing.</summary>
    internal Action? Resuming { get; init; }

    /// <summary>Where the pages come from with lazy pages; null for the image.</summary>
    internal PageSource? Pages { get; init; }

    /// <summary>The service that is restored, for the record of running processes; null for none.</summary>
    internal string? Service { get; init; }

    /// <summary>Refuses options that contradict each other, for any image.</summary>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>, with what to leave out.</exception>
    internal void RequireConsistent()
    {
        Options.RequireConsistent();
        Jvm.RequireConsistent(Engine);
    }
}
