using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>
/// A process with a HotSpot JVM: one that has mapped libjvm.so. Read only from proc and from the runtime's files; the JVM is not
/// asked.
/// </summary>
internal sealed record JvmProcess
{
    private const string Library = "/libjvm.so";

    /// <summary>The pid, as seen from here.</summary>
    internal required int ProcessId { get; init; }

    /// <summary>The JVM's pid in its own pid namespace.</summary>
    internal required int InnerProcessId { get; init; }

    /// <summary>The runtime, with the paths as the process has them. Null if its folder cannot be read or was removed.</summary>
    internal JavaRuntime? Runtime { get; init; }

    /// <summary>The command line, the program first.</summary>
    internal required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The directory that the JVM was told to checkpoint to, as it was written (-XX:CRaCCheckpointTo); null where it was not told, or in a file of options.</summary>
    internal string? CheckpointTo { get; init; }

    /// <summary>Whether it was started to continue after a checkpoint instead of ending.</summary>
    internal bool KeepsRunning { get; init; }

    /// <summary>The engine that it was told to use (-XX:CRaCEngine); null for its default.</summary>
    internal string? Engine { get; init; }

    /// <summary>
    /// The criu that its engine starts: the engine's option criu_location, CRAC_CRIU_PATH in its environment, or the runtime's own
    /// (openjdk/crac: criuengine.cpp); null where that is not known.
    /// </summary>
    internal string? CriuPath { get; init; }

    /// <summary>Whether it accepts no commands (the attach mechanism is off, -XX:+DisableAttachMechanism).</summary>
    internal bool IsAttachDisabled { get; init; }

    /// <summary>Whether it records where each descriptor was opened, for its refusals (-Djdk.crac.collect-fd-stacktraces=true).</summary>
    internal bool CollectsStackTraces { get; init; }

    /// <summary>Its runtime's support for CRaC.</summary>
    internal CracSupport Support => Runtime?.Support ?? CracSupport.Unknown;

    /// <summary>Whether, by its command line and files, it can checkpoint itself.</summary>
    internal bool IsCoordinated => CheckpointTo is not null && Support is not CracSupport.None;

    /// <summary>The process, also when its pid is reused later.</summary>
    internal required ProcessIdentity Identity { get; init; }

    /// <summary>Whether options may be in files that were not read.</summary>
    internal bool HasOptionFiles { get; init; }

    /// <summary>The file of performance counters that it has mapped; null without one.</summary>
    internal string? PerfDataFile { get; init; }

    /// <summary>Detects a HotSpot JVM.</summary>
    /// <param name="processId">A pid, as seen from here.</param>
    /// <returns>The JVM; null if the process is not one, has ended, or may not be read.</returns>
    internal static JvmProcess? TryDetect(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        if (directory is null
            || ProcessStatus.TryRead(directory) is not { HasEnded: false } status
            || MemoryMap.TryRead(directory, namedOnly: true) is not { } areas)
        {
            return null;
        }

        // OpenJ9 has a libjvm.so too, which only loads its own library.
        MemoryArea? library = areas.FirstOrDefault(static area => area.Path.EndsWith(Library, StringComparison.Ordinal));
        if (library is null || areas.Exists(static area => area.Path.Contains("/libj9vm", StringComparison.Ordinal))
            || ProcessCommandLine.TryRead(directory) is not { } command)
        {
            return null;
        }

        Dictionary<string, string>? environment = ReadEnvironment(directory);
        JvmArguments arguments = JvmArguments.Parse(command.Arguments, environment);
        JavaRuntime? runtime = FindRuntime(processId, library.Path);
        return new JvmProcess
        {
            ProcessId = processId,
            InnerProcessId = status.InnermostProcessId,
            Identity = status.Identity,
            Runtime = runtime,
            Engine = arguments.Engine,
            CriuPath = arguments.CriuPath ?? environment?.GetValueOrDefault("CRAC_CRIU_PATH")
                ?? (environment is null || runtime is null ? null : Path.Combine(runtime.Home, "lib", "criu")),
            Arguments = command.Arguments,
            CheckpointTo = arguments.CheckpointTo,
            KeepsRunning = arguments.KeepsRunning,
            IsAttachDisabled = arguments.AttachDisabled,
            CollectsStackTraces = arguments.CollectsStackTraces,
            HasOptionFiles = arguments.HasOptionFiles,
            PerfDataFile = areas.FirstOrDefault(static area => area.IsShared && area.Path.Contains("/hsperfdata_", StringComparison.Ordinal))?.Path,
        };
    }

    /// <summary>
    /// Finds the JVM that a process is, or has started: as pid 1, or with -XX:CRaCMinPid, the launcher forks, and its child is the
    /// JVM (openjdk/crac: launcher/main.c).
    /// </summary>
    /// <param name="processId">A pid, as seen from here.</param>
    internal static JvmProcess? Find(int processId)
    {
        if (TryDetect(processId) is { } jvm)
        {
            return jvm;
        }

        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        if (directory is null || ProcessCommandLine.TryRead(directory) is not { Arguments: [var program, ..] launcher } || Path.GetFileName(program) != "java")
        {
            return null;
        }

        // A fork alone: the child has the same program and the same command line.
        int[] children = [.. ProcessTree.Read(processId).Members.Where(member => member.Status.ParentProcessId == processId).Select(static member => member.Status.ProcessId)];
        return children is [var child] && TryDetect(child) is { } launched && launched.Arguments.SequenceEqual(launcher) ? launched : null;
    }

    /// <summary>What there is to say of a JVM before a checkpoint: how it would be taken, and what may be in the way of the restore.</summary>
    internal IReadOnlyList<CracFinding> Examine()
    {
        var findings = new List<CracFinding> { DescribeCrac() };
        if (PerfDataFile is { } file)
        {
            findings.Add(new CracFinding
            {
                Severity = CracFindingSeverity.Warning,
                ProcessId = ProcessId,
                RootProcessId = ProcessId,
                Reason = CracReason.FileMissing,
                What = $"performance counters in {file}",
                Why = "The restore needs this file, and every java that starts in the meantime removes it as that of a JVM which has ended.",
                RecommendedAction = "Start the JVM with -XX:+PerfDisableSharedMem or -XX:-UsePerfData.",
            });
        }

        return findings;
    }

    /// <summary>Whether the JVM would checkpoint itself, and what that means for what was found in it.</summary>
    internal CracFinding DescribeCrac()
    {
        string version = Runtime?.Version ?? "of unknown version";
        if (CheckpointTo is null)
        {
            return Describe(
                CracFindingSeverity.Note, CracReason.JvmNotCapable, $"JVM {version} {(Support is CracSupport.Criu or CracSupport.Warp ? "that was not started for CRaC" : "without CRaC")}",
                "criu freezes it as it is. With CRaC its application would be told beforehand and afterwards: it could close connections, take new settings and see that time has passed. Its garbage goes into the image unless -CollectGarbage is given.",
                Support is CracSupport.Criu or CracSupport.Warp
                    ? "Start it with -XX:CRaCCheckpointTo=DIRECTORY; its runtime supports CRaC."
                    : "Nothing, where a plain freeze will do; else start it with a CRaC build of OpenJDK and -XX:CRaCCheckpointTo=DIRECTORY.");
        }

        if ((Engine is { } engine && !JvmEngine.IsCriu(JvmEngine.NameOf(engine))) || (Engine is null && Support is CracSupport.Warp or CracSupport.Simulated))
        {
            return Describe(
                CracFindingSeverity.Warning, CracReason.ResourceUnsupported, $"JVM {version} with CRaC, whose engine is {(Engine is null ? "not criu" : JvmEngine.NameOf(Engine))}",
                "It would checkpoint itself, and its engine's images are not criu's: Invoke-CracCheckpoint refuses that.",
                "Use Invoke-CracCheckpoint -Engine Criu, or start it with -XX:CRaCEngine=criuengine.");
        }

        return Describe(
            CracFindingSeverity.Note, CracReason.JvmRefused, $"JVM {version} with CRaC, which checkpoints itself to {CheckpointTo}",
            "Invoke-CracCheckpoint asks it to. Its application is told first, and may close what is found here; what it leaves open, the JVM refuses. Options of criu are the JVM's own.",
            "Nothing. With Invoke-CracCheckpoint -Engine Criu it is checkpointed as it is.");
    }

    private CracFinding Describe(CracFindingSeverity severity, CracReason reason, string what, string why, string recommendedAction) => new()
    {
        Severity = severity,
        ProcessId = ProcessId,
        RootProcessId = ProcessId,
        Reason = reason,
        What = what,
        Why = why,
        RecommendedAction = recommendedAction,
    };

    /// <inheritdoc/>
    public override string ToString() => $"JVM {Runtime?.Version} ({ProcessId})";

    // .../lib/server/libjvm.so; JDK 8 has its architecture in between.
    private static JavaRuntime? FindRuntime(int processId, string library)
    {
        for (string? folder = Path.GetDirectoryName(library); !string.IsNullOrEmpty(folder); folder = Path.GetDirectoryName(folder))
        {
            if (Path.GetFileName(folder) == "lib" && Path.GetDirectoryName(folder) is { } home)
            {
                return JavaRuntime.TryOpen(home, $"/proc/{processId}/root{home}");
            }
        }

        return null;
    }

    private static Dictionary<string, string>? ReadEnvironment(ProcessDirectory directory)
    {
        if (!directory.TryRead("environ", out ProcText text))
        {
            return null;
        }

        using (text)
        {
            var variables = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (string variable in ProcessCommandLine.SplitAtNul(text.Bytes))
            {
                int equals = variable.IndexOf('=', StringComparison.Ordinal);
                if (equals > 0)
                {
                    variables[variable[..equals]] = variable[(equals + 1)..];
                }
            }

            return variables;
        }
    }
}
