namespace PSCrac.Restoring;

/// <summary>
/// The look at an image and this machine, made while criu reads the same image: criu makes nothing before its notification
/// pre-restore is answered (restore_root_task in criu's cr-restore.c), and the answer is what this finds.
/// </summary>
internal sealed class BackgroundPreflight : IDisposable
{
    private readonly Func<IReadOnlyList<CracFinding>> _look;
    private readonly Task _task;
    private IReadOnlyList<CracFinding> _findings = [];
    private CracException? _blocker;

    private BackgroundPreflight(Func<IReadOnlyList<CracFinding>> look)
    {
        _look = look;
        _task = Task.Run(Look);
    }

    /// <summary>Completed once the look is over, whatever it found.</summary>
    internal Task Over => _task;

    /// <summary>What was found that is no obstacle.</summary>
    internal IReadOnlyList<CracFinding> Findings
    {
        get
        {
            Wait();
            return _findings;
        }
    }

    /// <summary>What stands in the way, once the look is over; null for nothing.</summary>
    internal CracException? Blocker
    {
        get
        {
            Wait();
            return _blocker;
        }
    }

    /// <summary>Begins to look, on another thread.</summary>
    /// <param name="look">Gives what is no obstacle, and throws what is one.</param>
    internal static BackgroundPreflight Start(Func<IReadOnlyList<CracFinding>> look) => new(look);

    /// <summary>Throws what stands in the way.</summary>
    internal void Require()
    {
        if (Blocker is { } blocker)
        {
            throw blocker;
        }
    }

    /// <summary>
    /// Throws what stands in the way, when criu waits for it. Before that, criu tries out the kernel with short-lived
    /// children, and one of those may have had a pid that the look then found taken: it is asked for once more.
    /// </summary>
    internal void RequireWhileCriuWaits()
    {
        if (Blocker is { Reason: CracReason.PidInUse })
        {
            _blocker = null;
            Look();
        }

        Require();
    }

    /// <summary>Waits until nobody reads the image any more.</summary>
    public void Dispose() => Task.WaitAny(_task);

    private void Wait() => _task.GetAwaiter().GetResult();

    private void Look()
    {
        try
        {
            _findings = _look();
        }
        catch (CracException e)
        {
            _blocker = e;
        }
    }
}
