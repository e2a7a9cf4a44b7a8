using System.Diagnostics;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting;

/// <summary>One operation in a session of its own, with one kill, and what must hold afterwards.</summary>
internal sealed class KillRun : IDisposable
{
    private const int StraySeconds = 5;
    private const int MaximumLogFolders = 20;
    private const string MarkVariable = "PSCRAC_KILL_SERIES";

    private readonly KilledOperation _operation;
    private readonly KillVictim _victim;
    private readonly KillPeaks _peaks;
    private readonly string _logs;
    private readonly bool _isConnected;
    private readonly TemporaryFolder _home = new();
    private readonly string _mark = Guid.NewGuid().ToString("N");
    private readonly Subject _subject;
    private readonly int[] _tree;
    private readonly HashSet<ProcessIdentity> _helpers = [];
    private readonly List<string> _said = [];
    private readonly string _before = "";
    private Process? _session;

    internal KillRun(KilledOperation operation, KillVictim victim, string logs, int choice, KillPeaks peaks)
    {
        (_operation, _victim, _logs, _peaks) = (operation, victim, logs, peaks);
        _isConnected = operation == KilledOperation.Dump && choice % 3 == 0;
        if (victim == KillVictim.Guard || choice % 2 == 0)
        {
            string script = _home.At("script");
            File.WriteAllText(script, "#!/bin/sh\nexit 0\n");
            File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Directory.CreateDirectory(_home.At(".criu"));
            File.WriteAllText(_home.At(".criu/default.conf"), $"action-script {script}\n");
        }

        _subject = Subject.Python(KilledProgram.Compose(_isConnected));
        _tree = [.. ProcessTree.Read(_subject.ProcessId).ProcessIds];
        if (operation != KilledOperation.Dump)
        {
            _subject.Checkpoint();
            _before = File.ReadAllText(_subject.Program.OutputPath);
        }
    }

    /// <summary>Starts it, kills after a time, and asserts what must hold.</summary>
    internal KillResult Execute(double delay)
    {
        Start();
        Wait.Until(() => Find(KillVictim.Worker) is not null || IsDone(), () => "there is no worker");
        long start = Stopwatch.GetTimestamp();
        string? phase = _victim == KillVictim.None ? null : Kill(start, delay);
        Wait.Until(IsDone, () => $"the session does not end: {Said()}");
        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        if (_session!.HasExited)
        {
            // What it said is heard to its end.
            _session.WaitForExit();
        }

        string outcome = _operation == KilledOperation.Dump ? AfterDump(phase is not null) : AfterRestore(phase is not null);
        Assert.DoesNotContain("damaged", File.ReadAllText(_subject.Program.OutputPath), StringComparison.Ordinal);
        _peaks.LogFolders = Math.Max(_peaks.LogFolders, Directory.GetDirectories(_logs).Length);
        Assert.InRange(Directory.GetDirectories(_logs).Length, 0, MaximumLogFolders + 1);
        return new KillResult(phase, outcome, milliseconds);
    }

    public void Dispose()
    {
        if (_session is not null)
        {
            ProcessKill.Kill(ProcessIdentity.TryRead(_session.Id) ?? default);
            _session.WaitForExit();
            _session.Dispose();
        }

        foreach (ProcessIdentity helper in _helpers)
        {
            ProcessKill.Kill(helper);
        }

        _subject.Dispose();
        _home.Dispose();
    }

    private void Start()
    {
        string[] command = Helper.Command(_operation switch
        {
            KilledOperation.Dump => ["checkpoint", $"{_subject.ProcessId}", _subject.ImagePath],
            KilledOperation.Restore => ["restore", _subject.ImagePath],
            _ => ["restore", _subject.ImagePath, "Lazy"],
        });
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["HOME"] = _home.FullPath;
        start.Environment[MarkVariable] = _mark;
        start.Environment["PSCRAC_LOG_ROOT"] = _logs;
        _session = Process.Start(start)!;
        _session.OutputDataReceived += (_, line) => Hear(line.Data);
        _session.ErrorDataReceived += (_, line) => Hear(line.Data);
        _session.BeginOutputReadLine();
        _session.BeginErrorReadLine();
    }

    private void Hear(string? line)
    {
        lock (_said)
        {
            _said.Add(line ?? "");
        }
    }

    private string Said()
    {
        lock (_said)
        {
            return string.Join('\n', _said.Where(static line => !line.StartsWith("phase", StringComparison.Ordinal)));
        }
    }

    private string Phase()
    {
        lock (_said)
        {
            return _said.LastOrDefault(static line => line.StartsWith("phase", StringComparison.Ordinal))?.Split(' ')[1] ?? "Preparing";
        }
    }

    // A session that has restored goes on, as the process's parent or beside it.
    private bool IsDone() => _session!.HasExited || Said().Contains("restored", StringComparison.Ordinal);

    private string? Kill(long start, double delay)
    {
        ProcessIdentity? victim = null;
        Wait.Until(() => (victim = Find(_victim)) is not null || IsDone(), () => $"there is no {_victim}");
        Wait.Until(() => Stopwatch.GetElapsedTime(start).TotalMilliseconds >= delay, static () => "the time does not pass");
        Find(KillVictim.None);
        if (victim is not { } found || !found.IsRunning() || (IsDone() && _victim is not (KillVictim.PageDaemon or KillVictim.PageGuard)))
        {
            return null;
        }

        string phase = Phase();
        ProcessKill.Kill(found);
        return phase;
    }

    // Takes note of all that the session has started, too.
    private ProcessIdentity? Find(KillVictim victim)
    {
        if (ProcessStatus.TryRead(_session!.Id) is not { HasEnded: false } session)
        {
            return null;
        }

        if (victim == KillVictim.Session)
        {
            return session.Identity;
        }

        // A process that criu restores has criu's command line at first.
        ProcessIdentity? found = null;
        foreach (ProcessTreeMember member in ProcessTree.Read(_session.Id).Members.Skip(1))
        {
            string[] words = CommandOf(member.ProcessId);
            bool servesPages = words.Contains("--pages");
            KillVictim kind = words.Contains("swrk") ? KillVictim.Worker
                : servesPages && member.Status.CommandName == "pscrac-pages" ? KillVictim.PageDaemon
                : servesPages && member.Status.CommandName == "pscrac-guard" ? KillVictim.PageGuard
                : words is ["pscrac-guard", ..] ? KillVictim.Guard : KillVictim.None;
            if ((kind != KillVictim.None || servesPages) && member.Status.ParentProcessId == _session.Id && !_tree.Contains(member.ProcessId))
            {
                _helpers.Add(member.Status.Identity);
                found = kind == victim ? member.Status.Identity : found;
            }
        }

        return found;
    }

    private static string[] CommandOf(int processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/cmdline").Split('\0');
        }
        catch (IOException)
        {
            return [];
        }
    }

    private void AssertNoStrays(bool hasSession)
    {
        long start = Stopwatch.GetTimestamp();
        List<string> strays;
        while ((strays = FindStrays(hasSession)).Count > 0)
        {
            Assert.True(Stopwatch.GetElapsedTime(start).TotalSeconds < StraySeconds, $"still there: {string.Join("; ", strays)}");
            Thread.Sleep(2);
        }

        _peaks.StrayMilliseconds = Math.Max(_peaks.StrayMilliseconds, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    private List<string> FindStrays(bool hasSession)
    {
        var strays = new List<string>();
        foreach (ProcessIdentity helper in _helpers)
        {
            if (helper.IsRunning())
            {
                strays.Add($"{helper.ProcessId} {string.Join(' ', CommandOf(helper.ProcessId))}");
            }
        }

        foreach (int id in ProcessDirectory.ReadProcessIds() ?? [])
        {
            try
            {
                if ((!hasSession || id != _session!.Id) && File.ReadAllText($"/proc/{id}/environ").Contains(_mark, StringComparison.Ordinal))
                {
                    strays.Add($"{id} {string.Join(' ', CommandOf(id))}");
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended.
            }
        }

        return strays;
    }

    private string AfterDump(bool wasKilled)
    {
        AssertNoStrays(false);
        int[] dead = [.. _tree.Where(Subject.HasEnded)];
        string said = Said();
        _peaks.Dead += CracImage.IsImageDirectory(_subject.ImagePath) ? 0 : dead.Length;
        string outcome;
        if (said.Contains("checkpointed", StringComparison.Ordinal))
        {
            outcome = "completed";
        }
        else if (_victim == KillVictim.Session && wasKilled)
        {
            Assert.True(dead.Length == 0 || (dead.Length == _tree.Length && CracImage.IsImageDirectory(_subject.ImagePath)), $"{string.Join(' ', dead)} ended");
            Assert.All(_tree.Except(dead), static id => Assert.Equal(0, CountMappings(id)));
            outcome = dead.Length == 0 ? "goes on, unharmed" : "completed by criu";
        }
        else
        {
            Assert.True(_victim == KillVictim.Worker && said.Contains("failed WorkerDied", StringComparison.Ordinal), said);
            outcome = AssertTold(said, dead);
        }

        AssertGoesOn(dead);
        return outcome;
    }

    // What the message says is what is true.
    private string AssertTold(string said, int[] dead)
    {
        if (dead.Length > 0)
        {
            Assert.Contains(
                CracImage.IsImageDirectory(_subject.ImagePath) ? "is whole" : dead.Length == _tree.Length ? "All processes of the tree have ended" : $"{dead[0]} (python3) has ended", said);
            return CracImage.IsImageDirectory(_subject.ImagePath) ? "told: image is whole" : $"told: {dead.Length} of {_tree.Length} ended";
        }

        int[] counts = [.. _tree.Select(CountMappings)];
        _peaks.Mappings = Math.Max(_peaks.Mappings, counts.Max());
        if (counts.All(static count => count == 0))
        {
            Assert.Contains("The processes continue, unharmed.", said);
            return "told: unharmed";
        }

        for (int i = 0; i < counts.Length; i++)
        {
            string told = $"{_tree[i]} (python3) ({counts[i]})";
            Assert.True(counts[i] > 0 == said.Contains($"{_tree[i]} (python3) (", StringComparison.Ordinal) && (counts[i] == 0 || said.Contains(told, StringComparison.Ordinal)), $"{told}: {said}");
        }

        return "told: goes on with mappings";
    }

    private static int CountMappings(int id) => File.ReadLines($"/proc/{id}/maps").Count(static line => line.Contains("memfd:CRIUMFD", StringComparison.Ordinal));

    private void AssertGoesOn(int[] dead)
    {
        if (dead.Length > 0)
        {
            if (!CracImage.IsImageDirectory(_subject.ImagePath))
            {
                return;
            }

            foreach (int id in _tree)
            {
                CriuProgram.Kill("-KILL", $"{id}");
            }

            _subject.Restore().Dispose();
        }

        _subject.AssertCountsPast(_subject.Count + 3);
        AssertNoRules();
        _subject.Checkpoint(force: true);
        Assert.Equal(["image"], _subject.Folder.Names());
        _subject.Restore().Dispose();
        _subject.AssertCountsPast(_subject.Count + 3);
        AssertNoRules();
    }

    private void AssertNoRules()
    {
        if (_isConnected && CriuProgram.Find("nft") is { } nft)
        {
            using Process list = Process.Start(new ProcessStartInfo(nft, ["list", "tables"]) { RedirectStandardOutput = true })!;
            Assert.DoesNotContain($"CRIU-{_subject.ProcessId}\n", list.StandardOutput.ReadToEnd(), StringComparison.Ordinal);
            list.WaitForExit();
        }
    }

    private string AfterRestore(bool wasKilled)
    {
        string said = Said();
        bool isRestored = said.Contains("restored", StringComparison.Ordinal);
        if (!isRestored && !(_victim == KillVictim.Session && wasKilled))
        {
            string reason = _victim == KillVictim.PageDaemon ? "failed" : "failed WorkerDied";
            Assert.True(wasKilled && _victim is KillVictim.Worker or KillVictim.PageDaemon && said.Contains(reason, StringComparison.Ordinal), said);
        }

        AssertNoStrays(isRestored && !_session!.HasExited);
        if (isRestored && _victim == KillVictim.PageDaemon)
        {
            // A tree whose daemon was killed ends one process after the other; one whose pages had all come goes on.
            int count = _subject.Count;
            Wait.Until(
                () => Alive() is { } now && (now.Length == 0 || (now.Length == _tree.Length && _subject.Count > count + 3)),
                () => $"of {string.Join(", ", _tree)} live {string.Join(", ", Alive())}");
        }

        int[] alive = Alive();
        string outcome = alive.Length == 0 ? isRestored ? "ended, pages lost" : "told: nothing runs" : "restored";
        if (alive.Length > 0)
        {
            // Either all of it or nothing.
            Assert.Equal(_tree, alive);
            Assert.True(isRestored || _victim == KillVictim.Session, said);
            _subject.AssertCountsPast(_subject.Count + 3);
        }
        else
        {
            Assert.True(!isRestored || _victim == KillVictim.PageDaemon, said);
            outcome = _victim == KillVictim.Session && !isRestored ? "nothing runs" : outcome;
        }

        EndTree();
        File.WriteAllText(_subject.Program.OutputPath, _before);
        _subject.Restore().Dispose();
        _subject.AssertCountsPast(_subject.Count + 3);
        Assert.Equal(["image"], _subject.Folder.Names());
        return outcome;
    }

    private int[] Alive() => [.. _tree.Where(static id => !Subject.HasEnded(id))];

    private void EndTree()
    {
        _subject.Program.Remember();
        foreach (int id in _tree)
        {
            if (ProcessIdentity.TryRead(id) is { } identity)
            {
                ProcessKill.Kill(identity);
            }
        }

        Wait.Until(() => Array.TrueForAll(_tree, static id => ProcessStatus.TryRead(id) is null), () => "its pids are not free");
    }
}
