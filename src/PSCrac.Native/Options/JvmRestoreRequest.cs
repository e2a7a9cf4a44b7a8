using PSCrac.Processes;

namespace PSCrac.Options;

/// <summary>What to restore of a JVM that checkpointed itself, and how.</summary>
internal sealed record JvmRestoreRequest
{
    /// <summary>The image.</summary>
    public required CracImage Image { get; init; }

    /// <summary>
    /// <see cref="CracEngineChoice.Jvm"/>: by <c>java -XX:CRaCRestoreFrom</c>, with the runtime that made the image.
    /// <see cref="CracEngineChoice.Criu"/>: by criu, and then woken as the JVM's engine would.
    /// <see cref="CracEngineChoice.Auto"/>: by java where it is there and knows CRaC and nothing is asked for that only criu can
    /// do, or where new arguments or properties are given; else by criu.
    /// </summary>
    public CracEngineChoice Engine { get; init; }

    /// <summary>The <c>java</c> to restore with; null for that of the runtime that made the image. Another build cannot restore it.</summary>
    public string? JavaPath { get; init; }

    /// <summary>A class whose main method is called, with <see cref="Arguments"/>, once the application is back; null for none.</summary>
    public string? MainClass { get; init; }

    /// <summary>The arguments of <see cref="MainClass"/>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>System properties to set or change before the application is told that it is back.</summary>
    public IReadOnlyDictionary<string, string> Properties { get; init; } = new Dictionary<string, string>();

    /// <summary>Further options for <c>java</c>, such as <c>-XX:CRaCEngineOptions=…</c>; only those that a JVM takes at a restore.</summary>
    public IReadOnlyList<string> JavaOptions { get; init; } = [];

    /// <summary>
    /// criu's options; what is null in them is taken from the image's manifest. java passes --shell-job to its criu and no
    /// other, and to be asked for others makes it a restore by criu, or an error.
    /// </summary>
    public RestoreOptions Options { get; init; } = new();

    /// <summary>Which open files of the image are replaced; only a restore by criu can replace any.</summary>
    public RestoreFiles Files { get; init; } = new();

    /// <summary>
    /// Whose process ids the JVM gets; null as <see cref="RestoreRequest.PidNamespace"/>. Only a restore by criu can give it a
    /// namespace of its own: with java, <see cref="CracPidNamespace.Auto"/> and null are as <see cref="CracPidNamespace.Host"/>,
    /// an error where the ids are taken.
    /// </summary>
    public CracPidNamespace? PidNamespace { get; init; }

    /// <summary>Whether <see cref="CracRestoredProcess.WaitForExit"/> is to give the exit code.</summary>
    public bool AsChild { get; init; }

    /// <summary>Skips the ownership check. A restore runs the code in the image.</summary>
    public bool SkipTrustCheck { get; init; }

    /// <summary>For a restore by criu: as <see cref="RestoreRequest.SkipPreflight"/>.</summary>
    public bool SkipPreflight { get; init; }

    /// <summary>How long to wait for pids of processes that are ending.</summary>
    public TimeSpan PidTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long java may take until the application runs.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The criu to use; null to look for it, or with java for the one that the runtime brings along.</summary>
    public string? CriuPath { get; init; }

    /// <summary>As <see cref="RestoreRequest.Guard"/>.</summary>
    internal SessionGuard? Guard { get; init; }
}
