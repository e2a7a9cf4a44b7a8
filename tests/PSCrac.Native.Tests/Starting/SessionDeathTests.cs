using System.Diagnostics;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Staging;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting;

/// <summary>A session that is killed: what it has not handed over ends with it, and what it has goes on.</summary>
[Collection(AloneCollection.Name)]
public sealed class SessionDeathTests : IDisposable
{
    // Its child leaves its group and session.
    private const string Program = "setsid sh -c 'exec sleep 1000' & exec sleep 1000";

    private readonly TemporaryFolder _folder = new();
    private readonly List<ProcessIdentity> _seen = [];
    private Process? _helper;

    public void Dispose()
    {
        _helper?.Kill();
        _helper?.WaitForExit();
        _helper?.Dispose();
        _seen.ForEach(static identity => ProcessKill.Kill(identity));
        _folder.Dispose();
    }

    [CriuTheory]
    [InlineData("Host")]
    [InlineData("New")]
    public void What_was_not_ready_ends_with_its_session(string kind)
    {
        int id = StartUntil("started", kind, "", "sh", "-c", Program);
        Wait.Until(() => Tree(id).Count == 2, () => "it has no child");
        List<ProcessIdentity> tree = Tree(id);

        KillSession();

        Wait.Until(() => tree.All(static member => !member.IsRunning()), () => "it lives on");
    }

    [CriuTheory]
    [InlineData("Host")]
    [InlineData("New")]
    public void What_was_handed_over_goes_on_without_its_session(string kind)
    {
        File.WriteAllText(_folder.At("condition"), "");
        int id = StartUntil("handed over", kind, "", "sh", "-c", Program);
        Wait.Until(() => Tree(id).Count == 2, () => "it has no child");
        List<ProcessIdentity> tree = Tree(id);
        int[] guards = Guards();

        KillSession();

        // The guard of what was not handed over would have acted by the time that it has ended.
        Assert.Empty(guards);
        Thread.Sleep(200);
        Assert.All(tree, static member => Assert.True(member.IsRunning()));
    }

    [CriuTheory]
    [InlineData("Host")]
    [InlineData("New")]
    public void A_session_killed_in_mid_dump_leaves_no_process_and_no_image(string kind)
    {
        const string Big = "import sys, time; big = bytearray(b'x') * (400 << 20); open(sys.argv[1], 'w').close(); time.sleep(1000)";
        int id = StartUntil("phase Dumping", kind, _folder.At("image"), "python3", "-c", Big, _folder.At("condition"));
        List<ProcessIdentity> tree = Tree(id);

        KillSession();

        Wait.Until(() => tree.All(static member => !member.IsRunning()), () => $"it lives on: {string.Join(' ', tree.Select(member => File.ReadAllText($"/proc/{member.ProcessId}/stat")))}");
        Assert.False(Directory.Exists(_folder.At("image")));

        // What it had written so far goes with the next one.
        Wait.Until(
            () =>
            {
                using ImageStaging next = ImageStaging.Create(_folder.At("image"), force: false);
                next.RollBack();
                return _folder.Names() is ["condition"];
            },
            () => string.Join(' ', _folder.Names()));
    }

    [CriuTheory]
    [InlineData("Host")]
    [InlineData("New")]
    public void What_was_restored_and_is_not_ready_ends_with_its_session(string kind)
    {
        MakeImage(kind);
        int id = StartUntil("phase WaitingUntilReady", kind, _folder.At("image"), "sh", "-c", Program);
        List<ProcessIdentity> tree = Tree(id);
        Assert.Equal(2, tree.Count);

        KillSession();

        Wait.Until(() => tree.All(static member => !member.IsRunning()), () => "it lives on");
        Assert.True(CracImage.IsImageDirectory(_folder.At("image")));
    }

    // criu hangs in a script when all tasks are made and none runs yet.
    [CriuTheory]
    [InlineData("restore")]
    [InlineData("restore", "Child")]
    [InlineData("restore", "Lazy")]
    [InlineData("restore", "New")]
    [InlineData("restore", "New", "Lazy")]
    [InlineData("or-restore-anyway", "Host")]
    [InlineData("or-restore-anyway", "New")]
    public void A_session_killed_in_mid_restore_leaves_no_process(string operation, params string[] how)
    {
        using Subject subject = Subject.Counting();
        CracImage image = subject.Checkpoint().Image;
        string script = subject.HangingScript("post-restore", out string marker);
        StartHelper(operation == "restore"
            ? [operation, image.Path, .. how, script]
            : [operation, how[0], image.Path, _folder.At("condition"), "sleep", "1000"], Configure(script));
        Wait.Until(() => File.Exists(marker), () => $"criu did not get to its script: {(_helper!.HasExited ? _helper.StandardOutput.ReadToEnd() : "")}");
        List<ProcessIdentity> all = [];
        Wait.Until(() => (all = BelowSession()).Exists(static each => CommandOf(each) == "sleep 600"), () => "the script does not hang");
        Assert.Contains(all, static each => CommandOf(each).Contains(" swrk ", StringComparison.Ordinal));

        KillSession();

        Wait.Until(
            () => all.TrueForAll(static member => !member.IsRunning()),
            () => string.Join('\n', all.Where(static member => member.IsRunning()).Select(static member => $"{member.ProcessId} {CommandOf(member)}")));
        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);
    }

    // At these stages all tasks are frozen, or none is.
    [CriuTheory]
    [InlineData("pre-dump")]
    [InlineData("post-dump")]
    public void A_session_killed_while_a_script_of_a_dump_hangs_has_the_program_go_on(string stage)
    {
        using Subject subject = Subject.Counting();
        string script = subject.HangingScript(stage, out string marker);
        StartHelper(["checkpoint", $"{subject.ProcessId}", subject.ImagePath], Configure(script));
        Wait.Until(() => File.Exists(marker), () => $"criu did not get to its script: {(_helper!.HasExited ? _helper.StandardOutput.ReadToEnd() : "")}");
        List<ProcessIdentity> all = [];
        Wait.Until(() => (all = BelowSession()).Exists(static each => CommandOf(each) == "sleep 600"), () => "the script does not hang");

        KillSession();

        Wait.Until(
            () => all.TrueForAll(static member => !member.IsRunning()),
            () => string.Join('\n', all.Where(static member => member.IsRunning()).Select(static member => $"{member.ProcessId} {CommandOf(member)}")));
        subject.AssertCountsPast(subject.Count + 3);
    }

    // criu is traced meanwhile, and makes the calls with which the child takes its locks.
    [CriuTheory]
    [InlineData("Host")]
    [InlineData("Child")]
    [InlineData("New")]
    public void A_session_killed_while_locks_are_taken_again_leaves_no_process(string how)
    {
        using Subject subject = Subject.Python(
            """
            import fcntl, mmap, os, time
            if os.fork():
                while True: time.sleep(600)
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, bytes(4096))
            a = mmap.mmap(f, 4096)
            for i in range(4000): fcntl.lockf(f, fcntl.LOCK_EX, 1, i * 2)
            print("ready", flush=True)
            while True: time.sleep(600)
            """,
            "ready");
        CracImage image = subject.Checkpoint().Image;
        StartHelper(["restore", image.Path, how]);
        List<ProcessIdentity> all = [];
        Wait.Until(
            () => (all = BelowSession()).Exists(each => ProcessStatus.TryRead(each.ProcessId)?.TracerProcessId is { } tracer && Directory.Exists($"/proc/{_helper!.Id}/task/{tracer}")),
            () => $"criu is not traced: {(_helper!.HasExited ? _helper.StandardOutput.ReadToEnd() : "")}");
        string[] commands = [.. all.Select(CommandOf)];
        Assert.True(commands.Count(static each => each.Contains("mmap", StringComparison.Ordinal)) == 2, string.Join('\n', commands));

        KillSession();

        Wait.Until(
            () => all.TrueForAll(static member => !member.IsRunning()),
            () => string.Join('\n', all.Where(static member => member.IsRunning()).Select(static member => $"{member.ProcessId} {CommandOf(member)} {ProcessStatus.TryRead(member.ProcessId)?.State}")));
        using CracRestoredProcess restored = subject.Restore();
        Assert.Empty(restored.Warnings);
    }

    // A home with a configuration of criu's, for a restore that takes no options.
    private string Configure(string script)
    {
        string folder = Path.Combine(_folder.FullPath, ".criu");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "default.conf"), $"action-script {script}\n");
        return _folder.FullPath;
    }

    private void MakeImage(string kind)
    {
        File.WriteAllText(_folder.At("condition"), "");
        StartUntil("handed over", kind, _folder.At("image"), "sh", "-c", Program);
        _helper!.WaitForExit();
        _helper.Dispose();
        File.Delete(_folder.At("condition"));
    }

    // Starts a session that starts a program, and gives the program's pid once the session has said a word.
    private int StartUntil(string word, params string[] arguments)
    {
        bool isThere = CracImage.IsImageDirectory(arguments[1]);
        StartHelper([isThere ? "or-restore" : "start", arguments[0], arguments[1], _folder.At("condition"), .. arguments[2..]]);
        int id = 0;
        var said = new List<string>();
        while (_helper!.StandardOutput.ReadLine() is { } line)
        {
            said.Add(line);
            id = line.StartsWith("started", StringComparison.Ordinal) ? int.Parse(line.Split(' ')[1]) : id;
            _seen.AddRange(id == 0 ? [] : Tree(id));
            if (line.StartsWith(word, StringComparison.Ordinal))
            {
                return id;
            }
        }

        throw new InvalidOperationException(string.Join('\n', said));
    }

    private void StartHelper(string[] arguments, string? home = null)
    {
        string[] command = Helper.Command(arguments);
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true };
        start.Environment["HOME"] = home ?? start.Environment["HOME"];
        _helper = Process.Start(start)!;
    }

    private void KillSession()
    {
        CriuProgram.Kill("-KILL", $"{_helper!.Id}");
        _helper.WaitForExit();
    }

    private List<ProcessIdentity> Tree(int id)
    {
        List<ProcessIdentity> tree = ProcessStatus.TryRead(id) is null ? [] : [.. ProcessTree.Read(id).Members.Select(static member => member.Status.Identity)];
        _seen.AddRange(tree);
        return tree;
    }

    private List<ProcessIdentity> BelowSession() => [.. Tree(_helper!.Id).Where(each => each.ProcessId != _helper.Id)];

    private static string CommandOf(ProcessIdentity process) => string.Join(' ', ArgumentsOf(process.ProcessId));

    // None where it ended meanwhile.
    private static IReadOnlyList<string> ArgumentsOf(int processId)
    {
        try
        {
            return ProcessCommandLine.Read(processId).Arguments;
        }
        catch (CracException e) when (e.Reason == CracReason.ProcessNotFound)
        {
            return [];
        }
    }

    private int[] Guards() =>
        [.. ProcessTree.Read(_helper!.Id).Members.Where(static member => ArgumentsOf(member.ProcessId) is ["pscrac-guard", ..]).Select(static member => member.ProcessId)];
}
