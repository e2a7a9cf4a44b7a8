using PSCrac.Criu;
using PSCrac.Images.Manifest;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Checkpointing;

/// <summary>The options of a checkpoint after the process was looked at: the caller's, and those chosen for what was found.</summary>
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

    /// <summary>What the tree watches with inotify, as far as it was looked at.</summary>
    internal WatchedFolders Watched { get; private init; } = WatchedFolders.None;

    /// <summary>Looks at the process and chooses, unless the caller wants neither.</summary>
    /// <exception cref="CracException">Something stands in the way of the checkpoint.</exception>
    internal static CheckpointPlan Make(CheckpointRequest request)
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

        return new CheckpointPlan(chosen.AddTo(request.Options), choices, preflight.Findings) { Watched = WatchedFolders.Of(preflight.Tree) };
    }

    private static CracException Blocked(ProcessTreeSnapshot tree, IReadOnlyList<CracFinding> findings)
    {
        ProcessStatus root = tree.Root.Status;
        CracFinding first = findings[0];
        string[] others = [.. findings.Where(static finding => finding.Severity == CracFindingSeverity.Blocker).Skip(1).Select(static finding => finding.What)];
        string where = first.ProcessId is { } id && id != root.ProcessId ? $"process {id}, {first.What}" : first.What;

        // Told here: who has started the process to checkpoint it may have ended it by the time that this is read.
        string more = others.Length == 0 ? string.Empty : $" Also in the way: {string.Join("; ", others)}.";
        return new CracException(
            first.Reason, $"Process {root.ProcessId} ({root.CommandName}) cannot be checkpointed: {where}. {first.Why}{more}", first.RecommendedAction)
        {
            Findings = findings,
        };
    }
}
