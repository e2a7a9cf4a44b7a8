namespace PSCrac;

/// <summary>The kind of a timer.</summary>
public enum CracTimerKind
{
    /// <summary>ITIMER_REAL of setitimer(2).</summary>
    Real = 0,

    /// <summary>ITIMER_VIRTUAL of setitimer(2).</summary>
    Virtual,

    /// <summary>ITIMER_PROF of setitimer(2).</summary>
    Profiling,

    /// <summary>A POSIX timer of timer_create(2).</summary>
    Posix,

    /// <summary>A timerfd.</summary>
    Descriptor,
}

/// <summary>A timer of a process in an image. Timers that were not armed are left out, except timerfds.</summary>
public sealed class CracImageTimer
{
    private CracImageTimer(int processId, CracTimerKind kind, CracImageRecord details)
    {
        ProcessId = processId;
        Kind = kind;
        Details = details;
    }

    /// <summary>The process id.</summary>
    public int ProcessId { get; }

    /// <summary>The kind of a timer.</summary>
    public CracTimerKind Kind { get; }

    /// <summary>A POSIX timer's id, or a timerfd's descriptor; null for an interval timer.</summary>
    public int? Id { get; private init; }

    /// <summary>The kernel's clock id (0 realtime, 1 monotonic); null for an interval timer.</summary>
    public int? Clock { get; private init; }

    /// <summary>The signal that a POSIX timer sends; null for other kinds.</summary>
    public int? Signal { get; private init; }

    /// <summary>The interval of the timer; zero if it expires once.</summary>
    public TimeSpan Interval { get; private init; }

    /// <summary>The time until the timer expires; zero if it was not armed.</summary>
    public TimeSpan Remaining { get; private init; }

    /// <summary>The timer's decoded entry.</summary>
    internal CracImageRecord Details { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{ProcessId} {Kind} in {Remaining}";

    internal static IReadOnlyList<CracImageTimer> ReadAll(CracImageProcess process)
    {
        var timers = new List<CracImageTimer>();
        if (process.Details.GetRecord("tc")?.GetRecord("timers") is { } set)
        {
            AddInterval(timers, process, CracTimerKind.Real, set.GetRecord("real"));
            AddInterval(timers, process, CracTimerKind.Virtual, set.GetRecord("virt"));
            AddInterval(timers, process, CracTimerKind.Profiling, set.GetRecord("prof"));
            foreach (object item in set.GetItems("posix"))
            {
                if (item is CracImageRecord timer)
                {
                    timers.Add(new CracImageTimer(process.ProcessId, CracTimerKind.Posix, timer)
                    {
                        Id = (int)timer.GetNumber("it_id"),
                        Clock = (int)timer.GetNumber("clock_id"),
                        Signal = (int)timer.GetNumber("si_signo"),
                        Interval = ReadTime(timer, "isec", "insec", 100),
                        Remaining = ReadTime(timer, "vsec", "vnsec", 100),
                    });
                }
            }
        }

        foreach (CracImageFile file in process.Files)
        {
            if (file is { Kind: CracFileKind.TimerFd, Descriptor: { } descriptor } && file.Details?.GetRecord("tfd") is { } timer)
            {
                timers.Add(new CracImageTimer(process.ProcessId, CracTimerKind.Descriptor, timer)
                {
                    Id = descriptor,
                    Clock = (int)timer.GetNumber("clockid"),
                    Interval = ReadTime(timer, "isec", "insec", 100),
                    Remaining = ReadTime(timer, "vsec", "vnsec", 100),
                });
            }
        }

        return timers;
    }

    private static void AddInterval(List<CracImageTimer> timers, CracImageProcess process, CracTimerKind kind, CracImageRecord? timer)
    {
        if (timer is not null && (timer.GetNumber("vsec") | timer.GetNumber("vusec")) != 0)
        {
            timers.Add(new CracImageTimer(process.ProcessId, kind, timer)
            {
                Interval = ReadTime(timer, "isec", "iusec", 0),
                Remaining = ReadTime(timer, "vsec", "vusec", 0),
            });
        }
    }

    /// <summary>Reads seconds and a fraction: microseconds if <paramref name="nanosecondsPerTick"/> is 0, else nanoseconds.</summary>
    private static TimeSpan ReadTime(CracImageRecord timer, string seconds, string fraction, int nanosecondsPerTick)
    {
        UInt128 ticks = (UInt128)timer.GetNumber(seconds) * TimeSpan.TicksPerSecond;
        ticks += nanosecondsPerTick == 0 ? (UInt128)timer.GetNumber(fraction) * TimeSpan.TicksPerMicrosecond : timer.GetNumber(fraction) / (ulong)nanosecondsPerTick;
        return new TimeSpan((long)UInt128.Min(ticks, long.MaxValue));
    }
}
