using System.Globalization;
using PSCrac.Images.Operations;
using PSCrac.Moving;
using PSCrac.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace PSCrac.Tests.Moving;

/// <summary>
/// Moves in which one part is killed, with and without lazy pages, in each state and at random moments after it. Afterwards the program counts
/// on one host, or on none and the near side says that it does not know, or that it was lost; it never counts twice, and never reads zeros.
/// PSCRAC_MOVE_FAULTS sets how many, PSCRAC_MOVE_SEED repeats another run. After each nothing else is left either: no process, no lock of
/// connections, no image, no record.
/// </summary>
[Collection(AloneCollection.Name)]
public sealed class MoveFaultSeriesTests(ITestOutputHelper output) : IDisposable
{
    private const string CountVariable = "PSCRAC_MOVE_FAULTS";
    private const string SeedVariable = "PSCRAC_MOVE_SEED";
    private const int FixedSeed = 17_2026;
    private const int Usual = 16;
    private const int UsualLazy = 9;
    private const int LongestDelayMilliseconds = 25;

    // About as long as the pages take.
    private const int LongestPagesMilliseconds = 600;
    private const int LazyMebibytes = 48;

    private static readonly MoveState[] s_states =
        [MoveState.Frozen, MoveState.Sent, MoveState.Restoring, MoveState.Ready, MoveState.Given, MoveState.Killed, MoveState.Going, MoveState.Moved];

    private static readonly string[] s_parts =
    [
        MoveParts.Link, MoveParts.Ssh, MoveParts.Sshd, MoveParts.FarSession, MoveParts.FarCriu, MoveParts.NearCriu, MoveParts.NearSession, MoveParts.BothFar,
    ];

    // Each with the first and the last state in which there is something to kill.
    private static readonly (string Part, MoveState First, MoveState Last)[] s_lazyParts =
    [
        (MoveParts.Link, MoveState.Connected, MoveState.Moved),
        (MoveParts.Ssh, MoveState.Connected, MoveState.Moved),
        (MoveParts.Sshd, MoveState.Connected, MoveState.Moved),
        (MoveParts.FarSession, MoveState.Connected, MoveState.Moved),
        (MoveParts.FarCriu, MoveState.Restoring, MoveState.Going),
        (MoveParts.NearCriu, MoveState.Frozen, MoveState.Given),
        (MoveParts.NearSession, MoveState.Frozen, MoveState.Moved),
        (MoveParts.BothFar, MoveState.Restoring, MoveState.Going),
        (MoveParts.PageDaemon, MoveState.Examined, MoveState.Moved),
        (MoveParts.PageGuard, MoveState.Examined, MoveState.Moved),
        (MoveParts.SessionAndDaemon, MoveState.Examined, MoveState.Moved),
    ];

    private readonly FarHost _far = new();

    public void Dispose() => _far.Dispose();

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "nft", "python3")]
    public void Whatever_is_killed_the_program_never_counts_twice()
    {
        (MoveState State, string Part)[] pairs = [.. s_states.SelectMany(static state => s_parts.Select(part => (state, part)))];
        RunSeries(
            "moves",
            Usual,
            random => random.Shuffle(pairs),
            (random, i) =>
            {
                (MoveState state, string part) = pairs[i < pairs.Length ? i : random.Next(pairs.Length)];
                return new MoveFault(state, part, i < pairs.Length ? 0 : random.Next(LongestDelayMilliseconds), LazyPages: false);
            },
            static () => new CountingProgram());
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "nft", "python3")]
    public void Whatever_is_killed_while_memory_follows_the_program_never_counts_twice_and_never_reads_zeros()
    {
        (string Part, MoveState First, MoveState Last)[] parts = [.. s_lazyParts];
        RunSeries(
            "lazy moves",
            UsualLazy,
            random => random.Shuffle(parts),
            (random, i) =>
            {
                // Most of them where it runs there and pages are missing.
                (string part, MoveState first, MoveState last) = parts[i % parts.Length];
                MoveState state = last == MoveState.Moved && random.Next(3) > 0 ? last : (MoveState)random.Next((int)first, (int)last + 1);
                return new MoveFault(state, part, random.Next(state == MoveState.Moved ? LongestPagesMilliseconds : LongestDelayMilliseconds), LazyPages: true);
            },
            static () => new CountingProgram(LazyMebibytes));
    }

    private static int ReadNumber(string variable, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out int given) ? given : usual;

    private void RunSeries(string name, int usual, Action<Random> begin, Func<Random, int, MoveFault> choose, Func<CountingProgram> start)
    {
        int seed = ReadNumber(SeedVariable, FixedSeed);
        int count = ReadNumber(CountVariable, usual);
        var random = new Random(seed);
        Console.WriteLine($"faults of {name}: seed {seed}, {count} of them");
        var table = new SortedDictionary<string, int>(StringComparer.Ordinal);
        begin(random);
        for (int i = 0; i < count; i++)
        {
            MoveFault fault = choose(random, i);
            try
            {
                string end = RunOne(fault, start);
                string where = fault.KilledCount == 0 ? "(nothing there)" : fault.KilledIn.ToString();
                output.WriteLine($"{fault} {where,-15} {end}");
                string row = $"{fault.Part,-14} {where,-15} {end}";
                table[row] = table.GetValueOrDefault(row) + 1;
            }
            catch (Exception e)
            {
                output.WriteLine($"{fault} FAILED {e.Message}");
                throw new InvalidOperationException($"fault {i} of seed {seed}: {fault}, killed in {fault.KilledIn}\n{e.Message}\nsshd: {_far.SshdLog}", e);
            }
        }

        Assert.Equal(MoveFault.RunsThere, RunOne(new MoveFault(MoveState.Completed + 1, "nothing", 0, LazyPages: false), start));
        Assert.Empty(MoveRemains.Names(_far.ImageRoot));
        foreach ((string row, int times) in table)
        {
            output.WriteLine($"{times,4} {row}");
        }
    }

    private string RunOne(MoveFault fault, Func<CountingProgram> start)
    {
        var remains = new MoveRemains(_far);
        using CountingProgram program = start();
        string end = fault.Run(_far, program.ProcessId);
        remains.Require(program, fault.Started, end);
        return end;
    }
}
