using PSCrac.Criu;
using PSCrac.Images.Manifest;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Checkpointing;

/// <summary>The options of a checkpoint after the preflight: the caller's, and those chosen for what it found.</summary>
internal sealed class CheckpointPlan
{
    private CheckpointPlan(CheckpointOptions options, IReadOnlyList<ImageManifestChoice> choices, IReadOnlyList<CracFinding> findings)
    {
        Options = options;
        Choices = choices;
        Findings = findings;
    }

    internal CheckpointOptions Options { get; }

    internal IReadOnlyList<ImageManifestChoice> Choices { get; }

    internal IReadOnlyList<CracFinding> Findings { get; }

    /// <summary>The folders that the tree watches with inotify; none without a preflight.</summary>
    internal WatchedFolders Watched { get; private init; } = WatchedFolders.None;

    /// <summary>The paths of unix sockets that were renamed, by the names that they were bound to; none without a preflight.</summary>
    internal IReadOnlyDictionary<string, string> RenamedSockets { get; private init; } = new Dictionary<string, string>();

    /// <summary>Runs the preflight and chooses options, unless <see cref="CheckpointRequest.ChooseOptions"/> is false.</summary>
    /// <exception cref="CracException">The preflight found a blocker.</exception>
    internal static CheckpointPlan Create(CheckpointRequest request)
    {
        if (!request.ChooseOptions)
        {
            return new CheckpointPlan(request.Options, [], []);
        }

        ProcessPreflight preflight = ProcessPreflight.Examine(
            request.ProcessId, new PreflightOptions { Checkpoint = request.Options }, PreflightEnvironment.Read() with { CriuPath = request.CriuPath });
        IReadOnlyList<CracFinding> findings = [.. ExamineTarget(request), .. preflight.Findings];
        if (findings.Any(static finding => finding.Severity == CracFindingSeverity.Blocker))
        {
            throw Blocked(preflight.Tree, [.. findings.OrderBy(static finding => finding.Severity)]);
        }

        AutomaticOptions chosen = preflight.Options;
        var choices = new List<ImageManifestChoice>();
        foreach (CracFinding finding in chosen.Reasons)
        {
            choices.Add(new ImageManifestChoice(finding.CriuOption!, finding.CriuValue, finding.What));
        }

        return new CheckpointPlan(chosen.AddTo(request.Options), choices, findings)
        {
            Watched = WatchedFolders.Of(preflight.Tree),
            RenamedSockets = Procfs.RenamedSockets.Of(preflight.Tree),
        };
    }

    /// <summary>Refuses a target at which no restore will trust the image, where the process is killed.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageNotTrusted"/>.</exception>
    internal static void RequireTrustedTarget(CheckpointRequest request)
    {
        foreach (CracFinding finding in request.ChooseOptions ? ExamineTarget(request) : [])
        {
            if (finding.Severity == CracFindingSeverity.Blocker)
            {
                throw new CracException(finding.Reason, $"{finding.What}: {finding.Why}", finding.RecommendedAction);
            }
        }
    }

    private static List<CracFinding> ExamineTarget(CheckpointRequest request)
    {
        var findings = new List<CracFinding>();
        foreach ((string path, string why, string recommendedAction) in ImageTrust.ExamineTarget(request.ImagePath))
        {
            findings.Add(new CracFinding
            {
                Severity = request.Options.LeaveRunning ? CracFindingSeverity.Warning : CracFindingSeverity.Blocker,
                ProcessId = request.ProcessId,
                RootProcessId = request.ProcessId,
                What = $"{path}, above the image",
                Reason = CracReason.ImageNotTrusted,
                Why = $"{why}, so someone else could replace the image, and a restore will refuse it unless -SkipTrustCheck is given.",
                RecommendedAction = recommendedAction,
            });
        }

        return findings;
    }

    private static CracException Blocked(ProcessTreeSnapshot tree, IReadOnlyList<CracFinding> findings)
    {
        ProcessStatus root = tree.Root.Status;
        CracFinding first = findings[0];
        string[] others = [.. findings.Where(static finding => finding.Severity == CracFindingSeverity.Blocker).Skip(1).Select(static finding => finding.What)];
        string where = first.ProcessId is { } id && id != root.ProcessId ? $"process {id}, {first.What}" : first.What;

        // The message names them all: Start-CracProcess ends the process, so that Test-CracProcess can no longer show them.
        string more = others.Length == 0 ? string.Empty : $" Other blockers: {string.Join("; ", others)}.";
        return new CracException(
            first.Reason, $"Process {root.ProcessId} ({root.CommandName}) cannot be checkpointed: {where}. {first.Why}{more}", first.RecommendedAction)
        {
            Findings = findings,
        };
    }
}
