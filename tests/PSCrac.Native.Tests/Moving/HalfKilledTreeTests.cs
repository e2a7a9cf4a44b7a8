using System.Diagnostics;
using PSCrac.Interop;
using PSCrac.Moving;
using PSCrac.Options;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Moving;

/// <summary>Moves that are broken when criu has killed a part of the tree, and before it kills the rest.</summary>
[Collection(AloneCollection.Name)]
public sealed class HalfKilledTreeTests : IDisposable
{
    private const int Children = 5;
    private readonly FarHost _far = new();
    private readonly CountingProgram _program = new(children: Children);
    private readonly ProcessIdentity[] _tree;

    public HalfKilledTreeTests() => _tree = [.. ProcessTree.Read(_program.ProcessId).Members.Select(static member => member.Status.Identity)];

    public void Dispose()
    {
        _program.Dispose();
        _far.Dispose();
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "nft", "python3")]
    public async Task What_is_left_when_criu_is_killed_is_killed_too_and_all_of_it_is_restored_here()
    {
        var remains = new MoveRemains(_far);
        using var criu = new CriuHeldInKill(Middle());
        Task<string> moving = Task.Run(() => new MoveFault(MoveState.Completed + 1, "nothing", 0, LazyPages: false).Run(_far, _program.ProcessId));
        criu.WaitUntilHeld();
        RequireHalfKilled();

        Assert.Equal(1, new MoveParts(_far).Kill(MoveParts.NearCriu));

        Assert.Equal(MoveFault.RestoredHere, await moving);
        remains.Require(_program, [], MoveFault.RestoredHere);
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "nft", "python3")]
    public async Task When_criu_is_killed_and_nothing_is_left_it_runs_there_and_no_lock_is_left_here()
    {
        var remains = new MoveRemains(_far);
        using var criu = new CriuHeldInKill(_tree[^1].ProcessId);
        Task<string> moving = Task.Run(() => new MoveFault(MoveState.Completed + 1, "nothing", 0, LazyPages: false).Run(_far, _program.ProcessId));
        criu.WaitUntilHeld();
        ProcessKill.Kill(_tree[^1]);
        Wait.Until(() => !Array.Exists(_tree, static each => each.IsRunning()), () => "a part of it runs");

        Assert.Equal(1, new MoveParts(_far).Kill(MoveParts.NearCriu));

        Assert.Equal(MoveFault.RunsThere, await moving);
        remains.Require(_program, [], MoveFault.RunsThere);
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "nft", "python3")]
    public void What_is_left_when_criu_and_the_session_are_killed_does_not_continue()
    {
        var remains = new MoveRemains(_far);
        using var criu = new CriuHeldInKill(Middle());
        using Process session = StartSession();
        criu.WaitUntilHeld();
        RequireHalfKilled();
        List<ProcessIdentity> started = [.. ProcessTree.Read(session.Id).Members.Skip(1).Select(static member => member.Status.Identity)];

        session.Kill();
        started.FindAll(static each => FarHost.CommandLineOf(each.ProcessId).Contains("swrk", StringComparison.Ordinal)).ForEach(static each => LibC.Kill(each.ProcessId, LibC.SIGKILL));

        session.WaitForExit();
        RequireUnknown();
        RestoreFromImage();
        remains.Require(_program, started, MoveFault.ContinuesHere);
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "nft", "python3")]
    public void A_criu_whose_session_is_killed_kills_the_rest()
    {
        var remains = new MoveRemains(_far);
        using var criu = new CriuHeldInKill(Middle());
        using Process session = StartSession();
        criu.WaitUntilHeld();
        RequireHalfKilled();
        List<ProcessIdentity> started = [.. ProcessTree.Read(session.Id).Members.Skip(1).Select(static member => member.Status.Identity)];

        session.Kill();
        session.WaitForExit();
        criu.Continue();

        RequireUnknown();
        RestoreFromImage();
        remains.Require(_program, started, MoveFault.ContinuesHere);
    }

    // The one before whose kill criu waits: the root is killed first.
    private int Middle() => _tree[1 + (Children / 2)].ProcessId;

    private void RequireHalfKilled()
    {
        // What is killed takes a moment to end.
        const int Left = Children - (Children / 2);
        Wait.Until(() => _tree.Count(static each => each.IsRunning()) <= Left, () => $"{_tree.Count(static each => each.IsRunning())} are left");
        Assert.Equal(_tree[^Left..], _tree.Where(static each => each.IsRunning()));
    }

    private void RequireUnknown()
    {
        Wait.Until(() => _program.Find().Count == 0, () => $"{string.Join(", ", _program.Find())} run it");
        _program.RequireConsecutive();
        MoveUnsettled unsettled = Assert.Single(MoveRecords.ReadUnsettled());
        Assert.True(unsettled.Record.IsGiven);
        Assert.Empty(unsettled.Left);
        Assert.Equal(1 + Children, unsettled.Record.Tree.Count);
    }

    // As the report says, where it does not run there.
    private static void RestoreFromImage()
    {
        MoveNearRecord record = Assert.Single(MoveRecords.ReadUnsettled()).Record;
        Restore.Run(new RestoreRequest { Image = CracImage.Open(record.ImagePath) }).Dispose();
        Directory.Delete(record.ImagePath, recursive: true);
        Assert.Empty(MoveRecords.ReadUnsettled());
    }

    private Process StartSession()
    {
        string[] command = MoveFault.SessionCommand(_program.ProcessId, lazyPages: false);
        var session = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        while (session.StandardOutput.ReadLine() is { } line)
        {
            session.StandardInput.WriteLine();
            if (line == $"{MoveState.Given}")
            {
                break;
            }
        }

        return session;
    }
}
