using System.Diagnostics;
using System.Globalization;
using System.Text;
using PSCrac.Images.Operations;
using PSCrac.Moving;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace PSCrac.Tests.Moving;

/// <summary>
/// Moves in which one part is killed: each part in each state, in a random order, and then at random moments. Afterwards the program counts on
/// one host, or on none and the near side says that it does not know; it never counts twice. PSCRAC_MOVE_FAULTS sets how many, PSCRAC_MOVE_SEED
/// repeats another run. After each nothing else is left either: no process, no lock of connections, no image, no record.
/// </summary>
[Collection(AloneCollection.Name)]
public sealed class MoveFaultSeriesTests(ITestOutputHelper output) : IDisposable
{
    private const string CountVariable = "PSCRAC_MOVE_FAULTS";
    private const string SeedVariable = "PSCRAC_MOVE_SEED";
    private const int FixedSeed = 17_2026;
    private const int Usual = 16;
    private const int LongestDelayMilliseconds = 25;

    private static readonly MoveState[] s_states =
        [MoveState.Frozen, MoveState.Sent, MoveState.Restoring, MoveState.Ready, MoveState.Given, MoveState.Killed, MoveState.Going, MoveState.Moved];

    private static readonly string[] s_parts = ["link", "ssh", "sshd", "far session", "far criu", "near criu", "near session", "both far"];

    private readonly FarHost _far = new();
    private HashSet<string> _tablesBefore = [];

    public void Dispose() => _far.Dispose();

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "nft", "python3")]
    public void Whatever_is_killed_the_program_never_counts_twice()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable(SeedVariable), CultureInfo.InvariantCulture, out int given) ? given : FixedSeed;
        int count = int.TryParse(Environment.GetEnvironmentVariable(CountVariable), CultureInfo.InvariantCulture, out int asked) ? asked : Usual;
        var random = new Random(seed);
        Console.WriteLine($"faults of moves: seed {seed}, {count} of them");
        var table = new SortedDictionary<string, int>(StringComparer.Ordinal);
        (MoveState, string)[] pairs = [.. s_states.SelectMany(static state => s_parts.Select(part => (state, part)))];
        random.Shuffle(pairs);
        for (int i = 0; i < count; i++)
        {
            (MoveState state, string part) = pairs[i < pairs.Length ? i : random.Next(pairs.Length)];
            int delay = i < pairs.Length ? 0 : random.Next(LongestDelayMilliseconds);
            string what = $"{state,-10} {part,-12} {delay,3} ms";
            try
            {
                string end = RunOne(state, part, delay);
                output.WriteLine($"{what} {end}");
                table[$"{part,-12} {end}"] = table.GetValueOrDefault($"{part,-12} {end}") + 1;
            }
            catch (Exception e)
            {
                output.WriteLine($"{what} FAILED {e.Message}");
                throw new InvalidOperationException($"fault {i} of seed {seed}: {what}\n{e.Message}\nsshd: {_far.SshdLog}", e);
            }
        }

        Assert.Equal("runs there", RunOne(MoveState.Connected, part: "nothing", delay: 0));
        Assert.Empty(Names(_far.ImageRoot));
        foreach ((string row, int times) in table)
        {
            output.WriteLine($"{times,4} {row}");
        }
    }

    private string RunOne(MoveState state, string part, int delay)
    {
        _tablesBefore = Tables("nft");
        using var program = new CountingProgram();
        string end = part == "near session" ? RunKilled(program, state) : Run(program, state, part, delay);
        Require(program, end);
        return end;
    }

    // The session that moves the program is a process of its own, which is killed.
    private static string RunKilled(CountingProgram program, MoveState state)
    {
        string[] command = Helper.Command("move", $"{program.ProcessId}");
        using var session = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        string? line;
        while ((line = session.StandardOutput.ReadLine()) is not null && line != $"{state}")
        {
            session.StandardInput.WriteLine();
        }

        session.Kill();
        session.WaitForExit();
        Assert.Equal($"{state}", line);
        return MoveRecords.ReadUnsettled().Count > 0 ? "unknown" : "continues here";
    }

    private string Run(CountingProgram program, MoveState state, string part, int delay)
    {
        Thread? killer = null;
        var request = new MoveRequest
        {
            ProcessId = program.ProcessId,
            Host = _far.Host,
            Reached = reached =>
            {
                if (reached != state)
                {
                    return;
                }

                if (delay == 0)
                {
                    Kill(part);
                    return;
                }

                killer = new Thread(() =>
                {
                    Thread.Sleep(delay);
                    Kill(part);
                });
                killer.Start();
            },
        };
        string end;
        using (Move move = Move.Prepare(request, null, CancellationToken.None))
        {
            try
            {
                CracMovedProcess moved = move.Run(null, CancellationToken.None);
                end = moved.State == CracMoveState.Moved ? "runs there" : "unknown";
            }
            catch (CracException e)
            {
                end = e.Message.Contains("restored here", StringComparison.Ordinal) ? "restored here" : "continues here";
            }
        }

        killer?.Join();
        return end;
    }

    private void Require(CountingProgram program, string end)
    {
        // What is killed takes a moment to go.
        int expected = end == "unknown" ? 0 : program.ProcessCount;
        Wait.Until(() => Strays(program.Find()).Count == 0, () => $"left on the far side: {Describe(Strays(program.Find()))}");
        Wait.Until(() => StraysHere(program.Find()).Length == 0, () => $"left here: {string.Join("; ", StraysHere(program.Find()))}");
        List<int> running = [];
        Wait.Until(() => (running = program.Find()).Count is 0 || running.Count == program.ProcessCount, () => $"{running.Count} processes run it: {string.Join(", ", running)}");
        HashSet<int> there = [.. _far.Processes().Select(static status => status.ProcessId)];
        string[] images = Names(ImageRoot.Path);
        switch (end)
        {
            case "runs there":
                Assert.Equal(expected, running.Count);
                Assert.True(running.TrueForAll(there.Contains), "a part of it is here");
                program.RequireCounting();
                break;
            case "unknown":
                Assert.True(running.Count == 0 || (running.Count == program.ProcessCount && running.TrueForAll(there.Contains)), $"{running.Count} processes run it, and it is unknown");
                Directory.Delete(Path.Combine(ImageRoot.Path, Assert.Single(images)), recursive: true);
                _ = MoveRecords.ReadUnsettled();
                Array.ForEach(Names(MoveRecords.Folder), static name => File.Delete(Path.Combine(MoveRecords.Folder, name)));
                break;
            default:
                Assert.Equal(expected, running.Count);
                Assert.False(running.Exists(there.Contains), "a part of it is there");
                program.RequireCounting();
                break;
        }

        Assert.True(end == "unknown" || images.Length == 0, $"images left here: {string.Join(", ", images)}");
        program.RequireConsecutive();
        if (end == "unknown")
        {
            // The connections stay locked until the image is restored or given up.
            foreach (string table in Tables("nft").Except(_tablesBefore))
            {
                CriuProgram.RunProgram("nft", "delete", "table", "inet", table);
            }
        }

        Wait.Until(() => !Tables("nft").Except(_tablesBefore).Any(), () => $"locks left here: {string.Join(", ", Tables("nft").Except(_tablesBefore))}");
        Wait.Until(() => FarTables().Count == 0, () => $"locks left there: {string.Join(", ", FarTables())}");
        Wait.Until(() => LeftThere().Length == 0, () => $"images left there: {string.Join(", ", LeftThere())}");
        Assert.True(end == "unknown" || Names(MoveRecords.Folder).Length == 0, $"records left here: {string.Join(", ", Names(MoveRecords.Folder))}");
    }

    // The next session removes the unfinished image of one that was killed.
    private string[] LeftThere() => Array.FindAll(Names(_far.ImageRoot), static name => !name.StartsWith(ImageName.StagingPrefix, StringComparison.Ordinal));

    private HashSet<string> FarTables() => Tables("nsenter", $"--net=/proc/{_far.InitId}/ns/net", "nft");

    // criu's, by their names.
    private static HashSet<string> Tables(params string[] command)
    {
        using var list = Process.Start(new ProcessStartInfo(command[0], [.. command[1..], "list", "tables", "inet"]) { RedirectStandardOutput = true })!;
        string text = list.StandardOutput.ReadToEnd();
        list.WaitForExit();
        return [.. text.Split('\n').Select(static line => line.Split(' ')[^1]).Where(static name => name.StartsWith("CRIU-", StringComparison.Ordinal))];
    }

    private List<ProcessStatus> Strays(List<int> running) => _far.Processes().FindAll(status => !running.Contains(status.ProcessId));

    // All that a move starts here has the variable that names its ssh, or is the shell that guards it.
    private string[] StraysHere(List<int> running)
    {
        HashSet<int> ours = [Environment.ProcessId, .. running];
        var found = new List<string>();
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int id) && !ours.Contains(id) && ProcessStatus.TryRead(id) is { HasEnded: false } status
                && status.NamespaceProcessIds.Count == 1 && IsOfMove(directory, status))
            {
                found.Add($"{id} {FarHost.CommandLineOf(id)}");
            }
        }

        return [.. found];
    }

    private bool IsOfMove(string directory, ProcessStatus status)
    {
        try
        {
            return File.ReadAllText(Path.Combine(directory, "environ")).Contains($"{SshTransport.ProgramVariable}={_far.At("ssh")}", StringComparison.Ordinal)
                || (status.ParentProcessId == Environment.ProcessId && FarHost.CommandLineOf(status.ProcessId).StartsWith("pscrac-guard", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private void Kill(string part)
    {
        switch (part)
        {
            case "link":
                KillOwn("relay.py");
                break;
            case "ssh":
                KillOwn("ssh_config");
                break;
            case "near criu":
                KillOwn("swrk");
                break;
            case "sshd":
                KillFar("sshd");
                break;
            case "far session":
                KillFar("receive");
                break;
            case "far criu":
                KillFar("swrk");
                break;
            case "both far":
                KillFar("swrk");
                KillFar("receive");
                break;
        }
    }

    private void KillFar(string text) => _far.Find(text).ForEach(static each => CriuProgram.Kill("-KILL", $"{each.ProcessId}"));

    private static void KillOwn(string text)
    {
        foreach (ProcessTreeMember member in ProcessTree.Read(Environment.ProcessId).Members.Skip(1))
        {
            string command = FarHost.CommandLineOf(member.ProcessId);
            if (member.Status.NamespaceProcessIds.Count == 1 && command.Contains(text, StringComparison.Ordinal))
            {
                CriuProgram.Kill("-KILL", $"{member.ProcessId}");
            }
        }
    }

    private static string[] Names(string folder) =>
        Directory.Exists(folder) ? [.. Directory.GetFileSystemEntries(folder).Select(static path => Path.GetFileName(path))] : [];

    private static string Describe(IEnumerable<ProcessStatus> processes)
    {
        var text = new StringBuilder();
        foreach (ProcessStatus each in processes)
        {
            text.Append(CultureInfo.InvariantCulture, $"{each.ProcessId} {FarHost.CommandLineOf(each.ProcessId)}; ");
        }

        return text.ToString();
    }
}
