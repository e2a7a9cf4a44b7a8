namespace PSCrac;

/// <summary>What kind of timer it is.</summary>
public enum CracTimerKind
{
    /// <summary>setitimer's ITIMER_REAL.</summary>
    Real = 0,

    /// <summary>setitimer's ITIMER_VIRTUAL.</summary>
    Virtual,

    /// <summary>setitimer's ITIMER_PROF.</summary>
    Profiling,

    /// <summary>timer_create's.</summary>
    Posix,

    /// <summary>A timerfd.</summary>
    Descriptor,
}

/// <summary>A timer of a process of an image. Timers that were not set are left out, except for those that are descriptors.</summary>
public sealed class CracImageTimer
{
    private CracImageTimer(int processId, CracTimerKind kind, CracImageRecord details)
    {
        ProcessId = processId;
        Kind = kind;
        Details = details;
    }

    /// <summary>The process.</summary>
    public int ProcessId { get; }

    /// <summary>What kind of timer it is.</summary>
    public CracTimerKind Kind { get; }

    /// <summary>A POSIX timer's id, or a timerfd's descriptor; null for an interval timer.</summary>
    public int? Id { get; private init; }

    /// <summary>The kernel's number of the clock (0 realtime, 1 monotonic); null for an interval timer.</summary>
    public int? Clock { get; private init; }

    /// <summary>The signal that a POSIX timer sends; null for the others.</summary>
    public int? Signal { get; private init; }

    /// <summary>How often the timer rings; zero for once.</summary>
    public TimeSpan Interval { get; private init; }

    /// <summary>The time that was left until it rings; zero where it was not set.</summary>
    public TimeSpan Remaining { get; private init; }

    /// <summary>All that criu noted.</summary>
    internal CracImageRecord Details { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{ProcessId} {Kind} in {Remaining}";

    internal static IReadOnlyList<CracImageTimer> ReadAll(CracImageProcess process)
    {
        var timers = new List<CracImageTimer>();
        if (process.Details.Record("tc")?.Record("timers") is { } set)
        {
            AddInterval(timers, process, CracTimerKind.Real, set.Record("real"));
            AddInterval(timers, process, CracTimerKind.Virtual, set.Record("virt"));
            AddInterval(timers, process, CracTimerKind.Profiling, set.Record("prof"));
            foreach (object item in set.Items("posix"))
            {
                if (item is CracImageRecord timer)
                {
                    timers.Add(new CracImageTimer(process.ProcessId, CracTimerKind.Posix, timer)
                    {
                        Id = (int)timer.Number("it_id"),
                        Clock = (int)timer.Number("clock_id"),
                        Signal = (int)timer.Number("si_signo"),
                        Interval = Time(timer, "isec", "insec", 100),
                        Remaining = Time(timer, "vsec", "vnsec", 100),
                    });
                }
            }
        }

        foreach (CracImageFile file in process.Files)
        {
            if (file is { Kind: CracFileKind.TimerFd, Descriptor: { } descriptor } && file.Details?.Record("tfd") is { } timer)
            {
                timers.Add(new CracImageTimer(process.ProcessId, CracTimerKind.Descriptor, timer)
                {
                    Id = descriptor,
                    Clock = (int)timer.Number("clockid"),
                    Interval = Time(timer, "isec", "insec", 100),
                    Remaining = Time(timer, "vsec", "vnsec", 100),
                });
            }
        }

        return timers;
    }

    private static void AddInterval(List<CracImageTimer> timers, CracImageProcess process, CracTimerKind kind, CracImageRecord? timer)
    {
        if (timer is not null && (timer.Number("vsec") | timer.Number("vusec")) != 0)
        {
            timers.Add(new CracImageTimer(process.ProcessId, kind, timer)
            {
                Interval = Time(timer, "isec", "iusec", 0),
                Remaining = Time(timer, "vsec", "vusec", 0),
            });
        }
    }

    /// <summary>Seconds and, where <paramref name="nanosecondsPerTick"/> is 0, microseconds, else nanoseconds.</summary>
    private static TimeSpan Time(CracImageRecord timer, string seconds, string fraction, int nanosecondsPerTick)
    {
        UInt128 ticks = (UInt128)timer.Number(seconds) * TimeSpan.TicksPerSecond;
        ticks += nanosecondsPerTick == 0 ? (UInt128)timer.Number(fraction) * TimeSpan.TicksPerMicrosecond : timer.Number(fraction) / (ulong)nanosecondsPerTick;
        return new TimeSpan((long)UInt128.Min(ticks, long.MaxValue));
    }
}
