using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Preflight.ProcessRules;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight;

/// <summary>
/// Examines a live process and its descendants and reports, before anything is stopped, whether criu can checkpoint them, with
/// which options, and what will be stale after the restore. It only reads: nothing is traced, frozen or signalled.
/// </summary>
public sealed class ProcessPreflight
{
    private const int MaximumPasses = 3;

    // The tree runs while it is examined. A child that is about to end, or a connection that is not accepted yet, looks like a
    // blocker, and is none a moment later.
    private static readonly TimeSpan PassInterval = TimeSpan.FromMilliseconds(2);

    private static readonly PreflightRule[] s_rules =
    [
        new EligibilityRule(),
        new PrivilegeRule(),
        new CriuOptionRule(),
        new LoopbackRule(),
        new TracerRule(),
        new NamespaceRule(),
        new SessionRule(),
        new TerminalRule(),
        new FileLockRule(),
        new UnlinkedFileRule(),
        new FileReachRule(),
        new ProcFileRule(),
        new TcpConnectionRule(),
        new TcpListenerRule(),
        new NetworkLockRule(),
        new ProgramRule(),
        new DatagramSocketRule(),
        new SocketFamilyRule(),
        new UnixSocketRule(),
        new NetlinkSocketRule(),
        new PipeRule(),
        new EventPollRule(),
        new InotifyRule(),
        new ProcessHandleRule(),
        new KernelObjectRule(),
        new DeviceRule(),
        new MappingRule(),
        new SpecialMemoryRule(),
        new SeccompRule(),
        new SchedulingRule(),
        new ThirtyTwoBitRule(),
        new CgroupRule(),
        new StaleTextRule(),
        new StaleAddressRule(),
        new StaleLogRule(),
        new StaleTemporaryFileRule(),
        new StaleClockRule(),
        new StaleRandomRule(),
    ];

    private readonly List<CracFinding> _ungrouped;

    private ProcessPreflight(ProcessTreeSnapshot tree, List<CracFinding> ungrouped)
    {
        _ungrouped = ungrouped;
        Tree = tree;
        int root = tree.Root.ProcessId;

        // A stable sort: within a severity, findings stay in the order of the rules.
        Findings = [.. FindingGroups.Merge(ungrouped).OrderBy(static finding => finding.Severity)
            .Select(finding => finding with { ProcessId = finding.ProcessId ?? root, RootProcessId = root })];
        CanCheckpoint = !ungrouped.Exists(static finding => finding.Severity == CracFindingSeverity.Blocker);
        Options = AutomaticOptions.From(Findings);
    }

    /// <summary>The tree as it was read.</summary>
    internal ProcessTreeSnapshot Tree { get; }

    /// <summary>The findings, blockers first.</summary>
    public IReadOnlyList<CracFinding> Findings { get; }

    /// <summary>Whether there is no blocker for a checkpoint.</summary>
    public bool CanCheckpoint { get; }

    /// <summary>The options to use in addition to the caller's.</summary>
    internal AutomaticOptions Options { get; }

    /// <summary>Examines a process and its descendants.</summary>
    /// <param name="processId">The root's pid.</param>
    /// <param name="options">What the caller has decided; null for nothing.</param>
    /// <exception cref="CracException">No process has this pid (<see cref="CracReason.ProcessNotFound"/>).</exception>
    public static ProcessPreflight Examine(int processId, PreflightOptions? options = null) => Examine(processId, options, PreflightEnvironment.Read());

    /// <summary>The same for a given checkpointing side.</summary>
    /// <param name="processId">The root's pid.</param>
    /// <param name="options">What the caller has decided; null for nothing.</param>
    /// <param name="environment">The side that will checkpoint.</param>
    internal static ProcessPreflight Examine(int processId, PreflightOptions? options, PreflightEnvironment environment)
    {
        options ??= PreflightOptions.Default;
        ProcessPreflight result = ExamineOnce(processId, options, environment);
        for (int passes = 1; passes < MaximumPasses && !result.CanCheckpoint; passes++)
        {
            Thread.Sleep(PassInterval);
            ProcessPreflight previous = result;
            result = ExamineOnce(processId, options, environment);
            if (result.HasOnlyBlockersOf(previous))
            {
                break;
            }
        }

        return result;
    }

    private bool HasOnlyBlockersOf(ProcessPreflight previous)
    {
        foreach (CracFinding finding in _ungrouped)
        {
            if (finding.Severity == CracFindingSeverity.Blocker
                && !previous._ungrouped.Exists(other => other.Severity == CracFindingSeverity.Blocker && other.ProcessId == finding.ProcessId && other.What == finding.What))
            {
                return false;
            }
        }

        return true;
    }

    private static ProcessPreflight ExamineOnce(int processId, PreflightOptions options, PreflightEnvironment environment)
    {
        ProcessTreeSnapshot tree = ProcessTreeSnapshot.Read(processId);
        var subject = new PreflightSubject(tree, options, environment);
        foreach (PreflightRule rule in s_rules)
        {
            rule.Examine(subject);
        }

        return new ProcessPreflight(tree, subject.Findings);
    }
}
