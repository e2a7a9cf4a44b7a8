using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Preflight.ProcessRules;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight;

/// <summary>
/// Looks at a live process and its descendants and says, before anything is stopped, whether criu can checkpoint them, with
/// which options, and what will be stale afterwards. It only reads: nothing is traced, frozen or signalled.
/// </summary>
public sealed class ProcessPreflight
{
    private const int MostLooks = 3;

    // The tree runs while it is looked at. A child that was seen before it ended, or a call before it was answered, looks like
    // an obstacle, and is none a moment later.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);

    private static readonly PreflightRule[] s_rules =
    [
        new EligibilityRule(),
        new PrivilegeRule(),
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
        new ThirtyTwoBitRule(),
        new CgroupRule(),
        new StaleTextRule(),
        new StaleAddressRule(),
        new StaleLogRule(),
        new StaleTemporaryFileRule(),
        new StaleClockRule(),
        new StaleRandomRule(),
    ];

    private readonly List<CracFinding> _each;

    private ProcessPreflight(ProcessTreeSnapshot tree, List<CracFinding> each)
    {
        _each = each;
        Tree = tree;
        int root = tree.Root.ProcessId;

        // A stable sort: within a severity, findings stay in the order of the rules.
        Findings = [.. FindingGroups.Merge(each).OrderBy(static finding => finding.Severity)
            .Select(finding => finding with { ProcessId = finding.ProcessId ?? root, RootProcessId = root })];
        CanCheckpoint = !each.Exists(static finding => finding.Severity == CracFindingSeverity.Blocker);
        Options = AutomaticOptions.From(Findings);
    }

    /// <summary>The tree as it was read.</summary>
    internal ProcessTreeSnapshot Tree { get; }

    /// <summary>What was found, blockers first.</summary>
    public IReadOnlyList<CracFinding> Findings { get; }

    /// <summary>Whether nothing stands in the way of a checkpoint.</summary>
    public bool CanCheckpoint { get; }

    /// <summary>The options to use besides those the caller gave.</summary>
    internal AutomaticOptions Options { get; }

    /// <summary>Looks at a process and its descendants.</summary>
    /// <param name="processId">The root's pid.</param>
    /// <param name="options">What the caller has decided; null for nothing.</param>
    /// <exception cref="CracException">No process has this pid (<see cref="CracReason.ProcessNotFound"/>).</exception>
    public static ProcessPreflight Examine(int processId, PreflightOptions? options = null) => Examine(processId, options, PreflightEnvironment.Read());

    /// <summary>The same, on behalf of another side.</summary>
    /// <param name="processId">The root's pid.</param>
    /// <param name="options">What the caller has decided; null for nothing.</param>
    /// <param name="environment">The side that will make the checkpoint.</param>
    internal static ProcessPreflight Examine(int processId, PreflightOptions? options, PreflightEnvironment environment)
    {
        options ??= PreflightOptions.Default;
        ProcessPreflight look = Look(processId, options, environment);
        for (int looks = 1; looks < MostLooks && !look.CanCheckpoint; looks++)
        {
            Thread.Sleep(Pause);
            ProcessPreflight former = look;
            look = Look(processId, options, environment);
            if (look.HasNoBlockerBut(former))
            {
                break;
            }
        }

        return look;
    }

    private bool HasNoBlockerBut(ProcessPreflight former)
    {
        foreach (CracFinding finding in _each)
        {
            if (finding.Severity == CracFindingSeverity.Blocker
                && !former._each.Exists(other => other.Severity == CracFindingSeverity.Blocker && other.ProcessId == finding.ProcessId && other.What == finding.What))
            {
                return false;
            }
        }

        return true;
    }

    private static ProcessPreflight Look(int processId, PreflightOptions options, PreflightEnvironment environment)
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
