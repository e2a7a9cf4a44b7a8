using System.Runtime.InteropServices;
using PSCrac.Processes;
using PSCrac.Restoring;

namespace PSCrac.Options;

/// <summary>What to restore, and how.</summary>
public sealed record RestoreRequest
{
    /// <summary>The image.</summary>
    public required CracImage Image { get; init; }

    /// <summary>criu's options; what is null in them is taken from the image's manifest.</summary>
    public RestoreOptions Options { get; init; } = new();

    /// <summary>
    /// Whether the restored root becomes this process's child, so that <see cref="CracRestoredProcess.WaitForExit"/>
    /// gives its exit code; otherwise it becomes init's.
    /// </summary>
    public bool AsChild { get; init; }

    /// <summary>Which open files of the image are other ones after the restore.</summary>
    public RestoreFiles Files { get; init; } = new();

    /// <summary>
    /// Whose process ids the tree gets; null for a new pid namespace's where the tree had ids of another namespace than the
    /// session that took its checkpoint (<see cref="Images.Manifest.ImageManifestProcess.HostPid"/>), and else for those of the caller's.
    /// </summary>
    public CracPidNamespace? PidNamespace { get; init; }

    /// <summary>Whether the image is restored whoever could have written it. A restore runs what is in it.</summary>
    public bool SkipTrustCheck { get; init; }

    /// <summary>
    /// Whether what <see cref="RestorePreflight"/> would find is left to criu to find out: files, ports, addresses, the processor,
    /// privileges. Trust, the image's own files and its pids are looked at all the same.
    /// </summary>
    public bool SkipPreflight { get; init; }

    /// <summary>How long to wait for pids that are on their way out.</summary>
    public TimeSpan PidTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The criu to use; null to look for it.</summary>
    public string? CriuPath { get; init; }

    /// <summary>Descriptors to put in the place of what the image names, each with criu's key for it; closed by who opened them.</summary>
    internal IReadOnlyList<(SafeHandle Descriptor, string Key)> Inherited { get; init; } = [];

    /// <summary>
    /// Ends with this process what is restored, from the first of its tasks on until the caller lets go of it. Null: a tree
    /// that runs goes on without this process.
    /// </summary>
    internal SessionGuard? Guard { get; init; }
}
