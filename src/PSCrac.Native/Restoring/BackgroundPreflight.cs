namespace PSCrac.Restoring;

/// <summary>
/// The preflight of a restore, run on another thread while criu reads the same image: criu creates nothing before its notification
/// pre-restore is answered (restore_root_task in criu's cr-restore.c), and the answer depends on what the preflight finds.
/// </summary>
internal sealed class BackgroundPreflight : IDisposable
{
    private readonly Func<IReadOnlyList<CracFinding>> _examine;
    private readonly Task _task;
    private IReadOnlyList<CracFinding> _findings = [];
    private CracException? _blocker;

    private BackgroundPreflight(Func<IReadOnlyList<CracFinding>> examine)
    {
        _examine = examine;
        _task = Task.Run(Examine);
    }

    /// <summary>Completed when the preflight has ended, whatever it found.</summary>
    internal Task Completion => _task;

    /// <summary>What was found, without blockers. Waits for the preflight.</summary>
    internal IReadOnlyList<CracFinding> Findings
    {
        get
        {
            Wait();
            return _findings;
        }
    }

    /// <summary>The blocker that was found; null for none. Waits for the preflight.</summary>
    internal CracException? Blocker
    {
        get
        {
            Wait();
            return _blocker;
        }
    }

    /// <summary>Starts the preflight on another thread.</summary>
    /// <param name="examine">Returns the findings, or throws the blocker.</param>
    internal static BackgroundPreflight Start(Func<IReadOnlyList<CracFinding>> examine) => new(examine);

    /// <summary>Throws the blocker, if there is one.</summary>
    internal void Require()
    {
        if (Blocker is { } blocker)
        {
            throw blocker;
        }
    }

    /// <summary>
    /// Throws the blocker, if there is one, while criu waits in its notification. Before that, criu tests features of the kernel with
    /// short-lived children, one of which may have had a pid that the preflight then found taken: taken pids are examined again.
    /// </summary>
    internal void RequireWhileCriuWaits()
    {
        if (Blocker is { Reason: CracReason.PidInUse })
        {
            _blocker = null;
            Examine();
        }

        Require();
    }

    /// <summary>Waits until the preflight has ended and no longer reads the image.</summary>
    public void Dispose() => Task.WaitAny(_task);

    private void Wait() => _task.GetAwaiter().GetResult();

    private void Examine()
    {
        try
        {
            _findings = _examine();
        }
        catch (CracException e)
        {
            _blocker = e;
        }
    }
}
