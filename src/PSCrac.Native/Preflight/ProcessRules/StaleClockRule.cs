using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Timers: those by the calendar are all due at once after a long sleep; those by uptime go on with what was left of them.</summary>
internal sealed class StaleClockRule : PreflightRule
{
    private const int RealTimeClock = 0;
    private const int RealTimeAlarmClock = 8;

    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            int calendar = 0, uptime = 0;
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                Count(descriptor.ClockId, ref calendar, ref uptime);
            }

            foreach (PosixTimer timer in member.Timers)
            {
                Count(timer.ClockId, ref calendar, ref uptime);
            }

            if (calendar > 0)
            {
                subject.Warn(
                    member.ProcessId,
                    $"{calendar} {(calendar == 1 ? "timer" : "timers")} by the calendar clock",
                    CracReason.TimedOut,
                    "Times that pass until the restore are all due the moment the process runs again.",
                    "Let the program measure time-outs with the monotonic clock, and look at the calendar anew after the restore.",
                    new("processes with timers by the calendar clock"));
            }

            if (uptime > 0)
            {
                subject.Note(
                    member.ProcessId,
                    $"{uptime} {(uptime == 1 ? "timer" : "timers")} by the monotonic clock",
                    CracReason.TimedOut,
                    "They go on with what was left of them. The clock itself jumps: forward here, to anywhere on another host or after a reboot.",
                    cause: new("processes with timers by the monotonic clock"));
            }
        }
    }

    private static void Count(int? clock, ref int calendar, ref int uptime)
    {
        if (clock is RealTimeClock or RealTimeAlarmClock)
        {
            calendar++;
        }
        else if (clock is not null)
        {
            uptime++;
        }
    }
}
