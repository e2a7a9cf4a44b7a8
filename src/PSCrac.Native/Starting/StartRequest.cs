using PSCrac.Images.Manifest;
using PSCrac.Options;
using PSCrac.Starting.Fingerprints;

namespace PSCrac.Starting;

/// <summary>The program to start, and the options.</summary>
internal sealed record StartRequest
{
    /// <summary>The program: a path, or a name to find in PATH. A relative path is relative to this process's working directory.</summary>
    internal required string FilePath { get; init; }

    /// <summary>Its arguments, without its name.</summary>
    internal IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Its working directory; null for this process's.</summary>
    internal string? WorkingDirectory { get; init; }

    /// <summary>Changes to this process's environment; a null value removes a variable.</summary>
    internal IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>The file that it reads as its standard input; null for the null device.</summary>
    internal string? StandardInputPath { get; init; }

    /// <summary>The file that its standard output is appended to; null for the null device.</summary>
    internal string? StandardOutputPath { get; init; }

    /// <summary>The file that its standard error is appended to, which may be the same; null for the null device.</summary>
    internal string? StandardErrorPath { get; init; }

    /// <summary>
    /// The minimum of its pid, or 0 for none. Null for 10,000 where this process's own pid is below 1,000 or the
    /// program gets a pid namespace of its own, otherwise for none. In a fresh container pids repeat from run to run, and the
    /// next run's shell would have the image's.
    /// </summary>
    internal int? MinimumId { get; init; }

    /// <summary>
    /// The pid namespace that it runs in. <see cref="CracPidNamespace.New"/>: a new one, in which its pids are always free.
    /// <see cref="CracPidNamespace.Auto"/> affects only a restore. Null: a start uses the caller's, and a restore the one that
    /// <see cref="Options.RestoreRequest.PidNamespace"/> describes.
    /// </summary>
    internal CracPidNamespace? PidNamespace { get; init; }

    /// <summary>
    /// Whether it ends with this process until <see cref="CracStartedProcess.HandOver"/> is called. Otherwise it does so only until it is
    /// ready, warmed up and checkpointed.
    /// </summary>
    internal bool EndWithCaller { get; init; }

    /// <summary>The conditions that must all hold for the program to be ready. Empty: it is ready as soon as it runs.</summary>
    internal IReadOnlyList<ReadyCondition> Ready { get; init; } = [];

    /// <summary>How long it may take until it is ready.</summary>
    internal TimeSpan ReadyTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Called when the program is ready, before the checkpoint; null for nothing. Not called after a restore.</summary>
    internal Action<CracStartedProcess>? WarmUp { get; init; }

    /// <summary>Whether the program, a JVM, collects its garbage after the warm-up. Not done after a restore.</summary>
    internal bool CollectGarbage { get; init; }

    /// <summary>The path of the image of the checkpoint that is taken when the program is ready; null for none.</summary>
    internal string? ImagePath { get; init; }

    /// <summary>Whether the program continues after the checkpoint.</summary>
    internal bool LeaveRunning { get; init; }

    /// <summary>Whether the checkpoint stores memory compressed.</summary>
    internal bool Compress { get; init; }

    /// <summary>Whether an existing image at <see cref="ImagePath"/> is replaced, even one that matches.</summary>
    internal bool Force { get; init; }

    /// <summary>
    /// Whether the program is restored where <see cref="ImagePath"/> is an image that matches this request. The program then runs in any
    /// case: where the image does not match or cannot be restored, the program is started, its checkpoint replaces the image, and it
    /// continues.
    /// </summary>
    internal bool OrRestore { get; init; }

    /// <summary>Whether an image is restored without a comparison with this request.</summary>
    internal bool IgnoreChange { get; init; }

    /// <summary>Whether only an image that an allowed signer has signed is restored; another one is an error, and stays as it is.</summary>
    internal bool RequireSignature { get; init; }

    /// <summary>The full path of the allowed-signers file; null for the usual one.</summary>
    internal string? AllowedSigners { get; init; }

    /// <summary>
    /// Files and folders that the program depends on in addition to those that its command line refers to, wildcards allowed. A relative
    /// path is relative to this process's working directory.
    /// </summary>
    internal IReadOnlyList<string> DependsOn { get; init; } = [];

    /// <summary>
    /// What checkpoints and restores a JVM that supports CRaC. <see cref="CracEngineChoice.Criu"/>: criu, and the program is started
    /// without CRaC options. Otherwise it is started with a directory to checkpoint itself to.
    /// </summary>
    internal CracEngineChoice Engine { get; init; }

    /// <summary>The criu to use; null to look for it.</summary>
    internal string? CriuPath { get; init; }

    /// <summary>The user that the program runs as, a name or a number; null for this process's.</summary>
    internal string? User { get; init; }

    /// <summary>The service that is started, for the record of running processes; null for none.</summary>
    internal string? Service { get; init; }

    /// <summary>Finds the program and returns the command line.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ProgramNotStarted"/>: there is no such program.</exception>
    internal StartedCommand FindCommand() => StartedCommand.Create(
        ProgramPath.Find(FilePath),
        Arguments,
        WorkingDirectory ?? System.Environment.CurrentDirectory,
        Environment) with
    {
        DependsOn = [.. DependsOn.Select(Path.GetFullPath)],
        StandardInputPath = GetFullPath(StandardInputPath),
        StandardOutputPath = GetFullPath(StandardOutputPath),
        StandardErrorPath = GetFullPath(StandardErrorPath),
    };

    /// <summary>The standard streams of an image that differ from this request, as files to replace.</summary>
    /// <param name="then">How the program of the image was started; null where that is not known, and its streams are kept.</param>
    internal RestoreFiles FindOtherStreams(ImageManifestStart? then)
    {
        return then is null ? new RestoreFiles() : new RestoreFiles
        {
            StandardInputPath = Choose(StandardInputPath, then.StandardInputPath),
            StandardOutputPath = Choose(StandardOutputPath, then.StandardOutputPath),
            StandardErrorPath = Choose(StandardErrorPath, then.StandardErrorPath),
        };

        static string? Choose(string? now, string? then) => GetFullPath(now) == then ? null : GetFullPath(now) ?? "/dev/null";
    }

    private static string? GetFullPath(string? path) => path is null ? null : Path.GetFullPath(path);
}

/// <summary>A finished start.</summary>
/// <param name="Process">The process.</param>
/// <param name="Warnings">What failed, although the program runs; sentences.</param>
/// <param name="Decisions">What was decided, for verbose output; sentences.</param>
internal sealed record StartResult(CracStartedProcess Process, IReadOnlyList<string> Warnings, IReadOnlyList<string> Decisions);
