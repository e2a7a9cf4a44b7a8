using PSCrac.Images.Manifest;

namespace PSCrac.Options;

/// <summary>What to checkpoint, where to, and how.</summary>
public sealed record CheckpointRequest
{
    /// <summary>The root of the tree to checkpoint, by its pid here.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The directory that the image becomes. Relative paths are the process's own, not PowerShell's.</summary>
    public required string ImagePath { get; init; }

    /// <summary>
    /// What takes the checkpoint. <see cref="CracEngineChoice.Jvm"/>: the JVM itself; an error for a process that is no JVM with CRaC.
    /// <see cref="CracEngineChoice.Criu"/>: criu, for any process. <see cref="CracEngineChoice.Auto"/>: the JVM itself where it was
    /// started with a directory to checkpoint to, else criu.
    /// </summary>
    public CracEngineChoice Engine { get; init; }

    /// <summary>Whether the JVM collects its garbage first; an error for a process that is no HotSpot JVM.</summary>
    public bool CollectGarbage { get; init; }

    /// <summary>How long a JVM that checkpoints itself may take until its engine starts.</summary>
    public TimeSpan JvmTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>criu's options. A JVM that checkpoints itself chooses its own: any that is set is an error.</summary>
    public CheckpointOptions Options { get; init; } = new();

    /// <summary>
    /// Whether the process is looked at first: what stands in the way ends the checkpoint before anything is frozen, and
    /// options that lose nothing are chosen for what is found. Otherwise criu alone decides.
    /// </summary>
    public bool ChooseOptions { get; init; } = true;

    /// <summary>Whether an image that stands at <see cref="ImagePath"/> is replaced. Anything else there is never.</summary>
    public bool Force { get; init; }

    /// <summary>Whether writing the image through to the disk is left to the kernel.</summary>
    public bool NoSync { get; init; }

    /// <summary>How long to wait for the killed tree's pids to become free; zero not to wait.</summary>
    public TimeSpan PidTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The criu to use; null to look for it.</summary>
    public string? CriuPath { get; init; }

    /// <summary>How the program was started, for the manifest; null where that is not known.</summary>
    internal ImageManifestStart? Start { get; init; }

    /// <summary>
    /// Called when the image is complete and criu still holds the frozen tree. Its exception lets the tree continue and removes the image;
    /// after it criu kills the tree. If criu is killed before it has killed all, the others are left stopped. Null for nothing.
    /// </summary>
    internal Action<HeldTree>? Sealed { get; init; }
}
