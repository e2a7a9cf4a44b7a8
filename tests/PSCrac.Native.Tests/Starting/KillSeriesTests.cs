using System.Diagnostics;
using System.Globalization;
using PSCrac.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace PSCrac.Tests.Starting;

/// <summary>
/// Kills the worker, the guard, the page daemon, its guard or the session at random moments of dumps, restores and lazy restores. PSCRAC_KILLS sets
/// how often, PSCRAC_KILL_SEED repeats another run.
/// </summary>
[Collection(AloneCollection.Name)]
public class KillSeriesTests(ITestOutputHelper output)
{
    private const int FixedSeed = 12_2026;
    private const int UsualKills = 30;

    // A kill that comes too late is none.
    private const int MaximumMisses = 3;

    private static readonly (KilledOperation Operation, KillVictim Victim)[] s_pairs =
    [
        (KilledOperation.Dump, KillVictim.Worker), (KilledOperation.Restore, KillVictim.Worker), (KilledOperation.LazyRestore, KillVictim.Worker),
        (KilledOperation.Dump, KillVictim.Session), (KilledOperation.Restore, KillVictim.Session), (KilledOperation.LazyRestore, KillVictim.Session),
        (KilledOperation.Dump, KillVictim.Guard), (KilledOperation.LazyRestore, KillVictim.PageDaemon),
        (KilledOperation.Dump, KillVictim.Worker), (KilledOperation.LazyRestore, KillVictim.Guard), (KilledOperation.LazyRestore, KillVictim.PageGuard),
    ];

    [CriuFact("python3")]
    public void Whatever_is_killed_the_program_goes_on_unharmed_or_its_end_is_told()
    {
        int seed = Setting("PSCRAC_KILL_SEED", FixedSeed);
        int wanted = Setting("PSCRAC_KILLS", UsualKills);
        Console.WriteLine($"kills: seed {seed}, {wanted} of them");
        var random = new Random(seed);
        var durations = new Dictionary<KilledOperation, double>();
        var outcomes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var peaks = new KillPeaks();
        long start = Stopwatch.GetTimestamp();
        using var logs = new TemporaryFolder();
        int kills = 0;
        for (int run = 0; kills < wanted; run++)
        {
            Assert.True(run <= (wanted * MaximumMisses) + 10, $"only {kills} of {run} came in time");
            (KilledOperation operation, KillVictim victim) = s_pairs[run % s_pairs.Length];
            if (!durations.TryGetValue(operation, out double milliseconds))
            {
                using var undisturbed = new KillRun(operation, KillVictim.None, logs.FullPath, random.Next(), peaks);
                durations[operation] = milliseconds = undisturbed.Execute(0).Milliseconds;
            }

            double delay = random.NextDouble() * milliseconds * 1.1;
            KillResult result;
            try
            {
                using var killed = new KillRun(operation, victim, logs.FullPath, random.Next(), peaks);
                result = killed.Execute(delay);
            }
            catch (Exception e)
            {
                Report();
                throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"run {run} of seed {seed}: {victim} of a {operation} killed after {delay:0.0} ms: {e.Message}"), e);
            }

            if (result.Phase is not null)
            {
                kills++;
                string row = $"{operation,-12} {victim,-11} {result.Phase,-16} {result.Outcome}";
                outcomes[row] = outcomes.GetValueOrDefault(row) + 1;
            }
        }

        Report();

        void Report()
        {
            string table = string.Join('\n', outcomes.Select(static row => $"{row.Value,4}  {row.Key}"));
            string end = string.Create(
                CultureInfo.InvariantCulture,
                $"{kills} kills in {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s; at most {peaks.StrayMilliseconds:0} ms until all had ended, {peaks.Mappings} mappings of criu's left in a process, {peaks.Dead} ended, {peaks.LogFolders} folders of logs");
            output.WriteLine($"{table}\n{end}");
            Console.WriteLine($"{table}\n{end}");
        }
    }

    private static int Setting(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), out int value) ? value : otherwise;
}
