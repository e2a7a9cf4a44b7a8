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
        if (!preflight.CanCheckpoint)
        {
            throw Blocked(preflight.Tree, preflight.Findings);
        }

        AutomaticOptions chosen = preflight.Options;
        var choices = new List<ImageManifestChoice>();
        foreach (CracFinding finding in chosen.Reasons)
        {
            choices.Add(new ImageManifestChoice(finding.CriuOption!, finding.CriuValue, finding.What));
        }

        return new CheckpointPlan(chosen.AddTo(request.Options), choices, preflight.Findings)
        {
            Watched = WatchedFolders.Of(preflight.Tree),
            RenamedSockets = Procfs.RenamedSockets.Of(preflight.Tree),
        };
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
