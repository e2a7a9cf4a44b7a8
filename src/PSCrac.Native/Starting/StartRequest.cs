namespace PSCrac.Starting;

/// <summary>What to start, and how.</summary>
internal sealed record StartRequest
{
    /// <summary>The program: a path, or a name to look for on the PATH. A relative path starts at this process's own directory.</summary>
    internal required string FilePath { get; init; }

    /// <summary>Its arguments, without its name.</summary>
    internal IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Where it starts; null for this process's own directory.</summary>
    internal string? WorkingDirectory { get; init; }

    /// <summary>What differs from this process's environment; a null value takes a variable away.</summary>
    internal IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>The file that it reads as its standard input; null for the null device.</summary>
    internal string? StandardInputPath { get; init; }

    /// <summary>The file that its standard output is appended to; null for the null device.</summary>
    internal string? StandardOutputPath { get; init; }

    /// <summary>The file that its standard error is appended to, which may be the same; null for the null device.</summary>
    internal string? StandardErrorPath { get; init; }

    /// <summary>
    /// The lowest pid that it may get, or 0 for any. Null for 10,000 where this process's own pid is below 1,000 or the
    /// program gets a pid namespace of its own, and else for any. In a fresh container pids repeat from run to run, and the
    /// next run's shell would have the image's.
    /// </summary>
    internal int? MinimumId { get; init; }

    /// <summary>
    /// Whose process ids it gets. <see cref="CracPidNamespace.New"/>: those of a new pid namespace, where they are never
    /// another's. <see cref="CracPidNamespace.Auto"/> makes a difference to a restore only. Null: those of the caller's, and of an
    /// image as <see cref="Options.RestoreRequest.PidNamespace"/> has it.
    /// </summary>
    internal CracPidNamespace? PidNamespace { get; init; }

    /// <summary>
    /// Whether it ends, if it still runs, when this process does, until <see cref="CracStartedProcess.HandOver"/> is called.
    /// Otherwise only until it is ready, warmed up and checkpointed.
    /// </summary>
    internal bool EndWithCaller { get; init; }

    /// <summary>What must hold, all of it, for the program to be ready. Empty: it is, as soon as it runs.</summary>
    internal IReadOnlyList<ReadyCondition> Ready { get; init; } = [];

    /// <summary>How long it may take until it is ready.</summary>
    internal TimeSpan ReadyTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What is done with the program once it is ready, before the checkpoint; null for nothing. Not done after a restore.</summary>
    internal Action<CracStartedProcess>? WarmUp { get; init; }

    /// <summary>Whether the program, a JVM, collects its garbage after the warm-up. Not done after a restore.</summary>
    internal bool CollectGarbage { get; init; }

    /// <summary>Where a checkpoint is made once it is ready; null for none.</summary>
    internal string? ImagePath { get; init; }

    /// <summary>Whether the program goes on after the checkpoint.</summary>
    internal bool LeaveRunning { get; init; }

    /// <summary>Whether an image that stands at <see cref="ImagePath"/> is replaced.</summary>
    internal bool Force { get; init; }

    /// <summary>
    /// Whether the program is restored where there is an image already. It then runs in the end in any case: started
    /// where the image cannot be restored, which is then replaced, and left running by the checkpoint.
    /// </summary>
    internal bool OrRestore { get; init; }

    /// <summary>
    /// Which way the checkpoint and the restore of a JVM that knows CRaC go. <see cref="CracEngineChoice.Criu"/>: the
    /// program is started as it is, and criu freezes it. Otherwise it is told where to checkpoint to.
    /// </summary>
    internal CracEngineChoice Engine { get; init; }

    /// <summary>The criu to use; null to look for it.</summary>
    internal string? CriuPath { get; init; }
}

/// <summary>A finished start.</summary>
/// <param name="Process">The process.</param>
/// <param name="Warnings">What did not go as asked, although the program runs.</param>
/// <param name="Decisions">What was decided, for who wants to know.</param>
internal sealed record StartResult(CracStartedProcess Process, IReadOnlyList<string> Warnings, IReadOnlyList<string> Decisions);
