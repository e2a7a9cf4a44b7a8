using System.Diagnostics;
using PSCrac.Moving;
using PSCrac.Procfs;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Moving;

/// <summary>A move in which a part is killed in a state, or some time after it was reached.</summary>
/// <param name="State">The state.</param>
/// <param name="Part">The part, one of <see cref="MoveParts"/>.</param>
/// <param name="DelayMilliseconds">How long after the state was reached.</param>
/// <param name="LazyPages">Whether the memory follows.</param>
internal sealed record MoveFault(MoveState State, string Part, int DelayMilliseconds, bool LazyPages)
{
    internal const string RunsThere = "runs there";
    internal const string ContinuesHere = "continues here";
    internal const string RestoredHere = "restored here";
    internal const string Unknown = "unknown";
    internal const string Lost = "lost";

    /// <summary>For how long a near side tries to connect again while pages are missing; the far side waits twice as long.</summary>
    internal static readonly TimeSpan PagesLimit = TimeSpan.FromSeconds(4);

    private MoveState _reached;
    private CracMoveState? _end;

    /// <summary>The state in which the part was killed.</summary>
    internal MoveState KilledIn { get; private set; }

    /// <summary>How many processes were killed: none, if the part was not there any more, or not yet.</summary>
    internal int KilledCount { get; private set; }

    /// <summary>What the session, if it was killed, had started.</summary>
    internal IReadOnlyList<ProcessIdentity> Started { get; private set; } = [];

    /// <summary>Moves a program.</summary>
    /// <returns>How the move ended.</returns>
    internal string Run(FarHost far, int processId) => Part == MoveParts.NearSession ? RunKilled(processId) : RunHere(far, processId);

    public override string ToString() => $"{State,-10} {Part,-14} {DelayMilliseconds,3} ms";

    /// <summary>The helper's command line for a session that moves a program, and tells each state before it goes on.</summary>
    internal static string[] SessionCommand(int processId, bool lazyPages) =>
        Helper.Command("move", $"{processId}", $"{lazyPages}", $"{PagesLimit.TotalMilliseconds}");

    private string RunHere(FarHost far, int processId)
    {
        var parts = new MoveParts(far);
        Thread? killer = null;
        var request = new MoveRequest
        {
            ProcessId = processId,
            Host = far.Host,
            LazyPages = LazyPages,
            PagesLimit = PagesLimit,
            Reached = reached =>
            {
                _reached = reached;
                if (reached == State && DelayMilliseconds == 0)
                {
                    Kill();
                }
                else if (reached == State)
                {
                    killer = new Thread(() =>
                    {
                        Thread.Sleep(DelayMilliseconds);
                        Kill();
                    });
                    killer.Start();
                }
            },
        };
        string end;
        try
        {
            using Move move = Move.Prepare(request, null, CancellationToken.None);
            end = EndOf(move.Run(null, CancellationToken.None).State);
        }
        catch (CracException e)
        {
            end = e.Message.Contains("restored here", StringComparison.Ordinal) ? RestoredHere : ContinuesHere;
        }

        killer?.Join();
        return end;

        void Kill()
        {
            KilledIn = _reached;
            KilledCount = parts.Kill(Part);
        }
    }

    // The session that moves the program is a process of its own, which is killed.
    private string RunKilled(int processId)
    {
        string[] command = SessionCommand(processId, LazyPages);
        using var session = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        bool hasReached = ReadUntil(session, State);
        Thread? killer = null;
        if (hasReached && DelayMilliseconds > 0)
        {
            killer = new Thread(() =>
            {
                Thread.Sleep(DelayMilliseconds);
                Kill();
            });
            killer.Start();
            Answer(session);
            ReadUntil(session, until: null);
        }
        else if (hasReached)
        {
            Kill();
        }

        killer?.Join();
        session.WaitForExit();
        return !hasReached ? throw new InvalidOperationException($"the session ended before {State}")
            : _end is { } end ? EndOf(end)
            : MoveRecords.ReadUnsettled().Count > 0 ? Unknown
            : KilledIn >= (LazyPages ? MoveState.Completed : MoveState.Moved) ? RunsThere
            : ContinuesHere;

        void Kill()
        {
            try
            {
                Started = [.. ProcessTree.Read(session.Id).Members.Skip(1).Select(static member => member.Status.Identity)];
            }
            catch (CracException)
            {
                // It has come to its end.
                return;
            }

            session.Kill();
            KilledCount = 1;
        }
    }

    // Answers each state that is told before.
    private bool ReadUntil(Process session, MoveState? until)
    {
        while (session.StandardOutput.ReadLine() is { } line)
        {
            if (line.StartsWith("end ", StringComparison.Ordinal))
            {
                _end = Enum.Parse<CracMoveState>(line["end ".Length..]);
                continue;
            }

            KilledIn = Enum.Parse<MoveState>(line);
            if (KilledIn == until)
            {
                return true;
            }

            Answer(session);
        }

        return false;
    }

    private static void Answer(Process session)
    {
        try
        {
            session.StandardInput.WriteLine();
        }
        catch (IOException)
        {
            // It was killed.
        }
    }

    private static string EndOf(CracMoveState state) => state switch
    {
        CracMoveState.Moved => RunsThere,
        CracMoveState.Lost => Lost,
        _ => Unknown,
    };
}
