using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;
using PSCrac.Checkpointing;

namespace PSCrac.Commands;

/// <summary>The progress bar of one operation, which appears when that takes its time.</summary>
internal sealed class OperationProgress(Cmdlet command, string activity)
{
    private static readonly TimeSpan BeforeProgressShows = TimeSpan.FromMilliseconds(500);
    private readonly long _start = Stopwatch.GetTimestamp();
    private ProgressRecord? _record;

    /// <summary>Shows how far the operation is.</summary>
    internal void Show(CracProgress report)
    {
        // A phase that may last is shown as it begins: nothing more may be reported until it ends.
        bool mayLast = report.Phase is CracPhase.WaitingUntilReady or CracPhase.WarmingUp;
        if (mayLast || Stopwatch.GetElapsedTime(_start) >= BeforeProgressShows)
        {
            _record = new ProgressRecord(0, activity, Describe(report)) { PercentComplete = Percent(report) };
            command.WriteProgress(_record);
        }
    }

    /// <summary>Takes the bar away.</summary>
    internal void End()
    {
        if (_record is not null)
        {
            _record.RecordType = ProgressRecordType.Completed;
            command.WriteProgress(_record);
        }
    }

    private static string Describe(CracProgress report)
    {
        string phase = report.Phase switch
        {
            CracPhase.Starting => "Starting",
            CracPhase.WaitingUntilReady => "Waiting until it is ready",
            CracPhase.WarmingUp => "Warming up",
            CracPhase.Preparing => "Preparing",
            CracPhase.WaitingForPids => "Waiting for process ids to become free",
            CracPhase.Freezing => "Freezing",
            CracPhase.Dumping => "Writing memory",
            CracPhase.Sealing => "Sealing the image",
            CracPhase.Finishing => "Finishing",
            CracPhase.Restoring => "Restoring",
            _ => "Resuming",
        };
        return report.Bytes > 0
            ? string.Create(CultureInfo.CurrentCulture, $"{phase}: {report.Bytes >> 20:N0} of about {report.ExpectedBytes >> 20:N0} MiB")
            : phase;
    }

    private static int Percent(CracProgress report) =>
        report is { Bytes: > 0, ExpectedBytes: > 0 } ? (int)Math.Min(99, report.Bytes * 100 / report.ExpectedBytes) : -1;
}
