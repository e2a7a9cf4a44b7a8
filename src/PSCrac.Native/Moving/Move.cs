using PSCrac.Common;
using PSCrac.Images.Operations;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Moving;

/// <summary>A move to another host: connected and examined on both sides, to be run once.</summary>
internal sealed class Move : IDisposable
{
    private readonly MoveRequest _request;
    private readonly SshTransport _transport;

    private Move(MoveRequest request, SshTransport transport, CracMovePlan plan)
    {
        _request = request;
        _transport = transport;
        Plan = plan;
    }

    /// <summary>What was found.</summary>
    internal CracMovePlan Plan { get; }

    /// <summary>Connects, and examines both sides. Changes nothing.</summary>
    /// <param name="request">Which process, and where to.</param>
    /// <param name="progress">Receives the phase; null for no reports.</param>
    /// <param name="cancellation">Ends the connection.</param>
    /// <exception cref="CracException">The process does not exist, or the other host cannot be reached or lacks something.</exception>
    internal static Move Prepare(MoveRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        try
        {
            ProcessPreflight preflight = ProcessPreflight.Examine(
                request.ProcessId, new PreflightOptions { Checkpoint = OptionsOf(request) });
            progress?.Report(new CracProgress(CracPhase.Connecting, 0, 0));
            SshTransport transport = SshTransport.Connect(request.Host, cancellation, out MoveHello hello);
            try
            {
                request.Reached?.Invoke(MoveState.Connected);
                CracMovePlan plan = Examine(request, preflight, transport.Channel, hello, cancellation);
                return new Move(request, transport, plan);
            }
            catch (MoveLinkException e)
            {
                CracException failure = transport.Explain(e);
                transport.Dispose();
                throw failure;
            }
            catch
            {
                transport.Dispose();
                throw;
            }
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Move, request.ProcessId, imagePath: null);
            throw;
        }
    }

    /// <summary>Refuses a move that something blocks.</summary>
    /// <exception cref="CracException">The first blocker, with all findings.</exception>
    internal void RequirePossible()
    {
        if (Plan.Findings.FirstOrDefault(static finding => finding.Severity == CracFindingSeverity.Blocker) is not { } first)
        {
            return;
        }

        string[] others = [.. Plan.Findings.Where(static finding => finding.Severity == CracFindingSeverity.Blocker).Skip(1).Select(static finding => finding.What)];
        string more = others.Length == 0 ? string.Empty : $" Other blockers: {string.Join("; ", others)}.";
        throw new CracException(first.Reason, $"{Plan.Command} ({Plan.ProcessId}) cannot be moved to {Plan.HostName}: {first.What}. {first.Why}{more}", first.RecommendedAction)
        {
            Operation = CracOperation.Move,
            ProcessId = Plan.ProcessId,
            Findings = Plan.Findings,
        };
    }

    /// <summary>Moves the process.</summary>
    /// <param name="progress">Receives the phases; null for no reports.</param>
    /// <param name="cancellation">Cancelling lets the process continue here, until it was given away.</param>
    /// <returns>Where it is.</returns>
    /// <exception cref="CracException">The process runs here.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, and the process runs here.</exception>
    internal CracMovedProcess Run(IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        RequirePossible();
        _request.Reached?.Invoke(MoveState.Examined);
        try
        {
            return new MoveRun(_request, Plan, _transport, progress, cancellation).Run();
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Move, _request.ProcessId, imagePath: null);
            throw;
        }
    }

    /// <summary>Ends the connection.</summary>
    public void Dispose() => _transport.Dispose();

    /// <summary>criu's options for the checkpoint.</summary>
    internal static CheckpointOptions OptionsOf(MoveRequest request) => new() { TcpEstablished = request.TcpEstablished ? true : null };

    private static CracMovePlan Examine(MoveRequest request, ProcessPreflight preflight, MoveChannel channel, MoveHello hello, CancellationToken cancellation)
    {
        ProcessTreeSnapshot tree = preflight.Tree;
        string imageName = request.ImageName ?? $"{ImageName.ForProcess(tree.Root.Status.CommandName, request.ProcessId)}-{Guid.NewGuid():N}"[..^24];
        channel.Send(MoveFrame.Question, MoveNeeds.Read(tree, request, imageName), MoveJson.Default.MoveQuestion);
        switch (channel.Receive(MoveProtocol.AnswerLimit, cancellation.ThrowIfCancellationRequested))
        {
            case MoveFrame.Answer:
                break;
            case MoveFrame.Failed:
                throw MoveRun.FailureOf(channel.Message(MoveJson.Default.MoveFailure), request.Host, "cannot tell whether it can take the process");
            default:
                throw new MoveLinkException("the questions were not answered");
        }

        IEnumerable<CracFinding> there = channel.Message(MoveJson.Default.MoveAnswer).Findings
            .Select(finding => finding with { What = $"{request.Host}: {finding.What}", RootProcessId = request.ProcessId });
        IReadOnlyList<string> addresses = [.. MoveNeeds.FindConnectionAddresses(tree).Select(static address => address.ToString())];
        return new CracMovePlan(
            request, tree.Root.CommandLine.Display, hello.HostName, imageName, addresses,
            [.. ((IEnumerable<CracFinding>)[.. preflight.Findings, .. ExamineHere(preflight), .. there]).OrderBy(static finding => finding.Severity)]);
    }

    // What a checkpoint handles here and a restore on another host cannot.
    private static IEnumerable<CracFinding> ExamineHere(ProcessPreflight preflight)
    {
        int root = preflight.Tree.Root.ProcessId;
        if (preflight.Options.Contains("shell-job"))
        {
            yield return Block(
                CracReason.TerminalAttached, "its terminal", "A shell job needs the terminal that it runs in, and there is none on the other host.",
                "Start it without a terminal: with Start-CracProcess, setsid, or as a service.");
        }

        if (preflight.Options.Contains("link-remap"))
        {
            yield return Block(
                CracReason.FileUnlinked, "an unlinked file", "An open file that was deleted has another name left, under which criu would find it here and not on the other host.",
                "Wait until the program has closed it. Test-CracProcess shows which file it is.");
        }

        CracFinding Block(CracReason reason, string what, string why, string recommendedAction) => new()
        {
            Severity = CracFindingSeverity.Blocker,
            ProcessId = root,
            RootProcessId = root,
            What = what,
            Reason = reason,
            Why = why,
            RecommendedAction = recommendedAction,
        };
    }
}
