using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Timers: those on the real-time clock may all expire at once after the restore; those on the monotonic clock continue with their
/// remaining time.
/// </summary>
internal sealed class StaleClockRule : PreflightRule
{
    private const int RealTimeClock = 0;
    private const int RealTimeAlarmClock = 8;

    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            int realTime = 0, monotonic = 0;
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                Count(descriptor.ClockId, ref realTime, ref monotonic);
            }

            foreach (PosixTimer timer in member.Timers)
            {
                Count(timer.ClockId, ref realTime, ref monotonic);
            }

            if (realTime > 0)
            {
                subject.Warn(
                    member.ProcessId,
                    $"{realTime} {(realTime == 1 ? "timer" : "timers")} on the real-time clock",
                    CracReason.ClockChanged,
                    "Timers that expire before the restore all fire as soon as the process runs again.",
                    "Let the program measure time-outs with the monotonic clock, and read the real-time clock again after the restore.",
                    new("processes with timers on the real-time clock"));
            }

            if (monotonic > 0)
            {
                subject.Note(
                    member.ProcessId,
                    $"{monotonic} {(monotonic == 1 ? "timer" : "timers")} on the monotonic clock",
                    CracReason.ClockChanged,
                    "They continue with their remaining time. The clock itself jumps: forward on this host, to any value on another host or after a reboot.",
                    cause: new("processes with timers on the monotonic clock"));
            }
        }
    }

    private static void Count(int? clock, ref int realTime, ref int monotonic)
    {
        if (clock is RealTimeClock or RealTimeAlarmClock)
        {
            realTime++;
        }
        else if (clock is not null)
        {
            monotonic++;
        }
    }
}
