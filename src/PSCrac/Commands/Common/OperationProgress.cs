using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;
using PSCrac.Common;
using PSCrac.Formatting;

namespace PSCrac.Commands.Common;

/// <summary>The progress bar of one operation. It appears only where the operation takes long enough.</summary>
internal sealed class OperationProgress(Cmdlet command, string activity)
{
    private static readonly TimeSpan BeforeProgressShows = TimeSpan.FromMilliseconds(500);
    private readonly long _start = Stopwatch.GetTimestamp();
    private CracProgress? _unshown;
    private ProgressRecord? _record;

    /// <summary>How long to wait for another report before the latest one is shown, in milliseconds; -1 where there is nothing to show.</summary>
    internal int MillisecondsUntilShown =>
        _unshown is null ? -1 : (int)Math.Max(0, (BeforeProgressShows - Stopwatch.GetElapsedTime(_start)).TotalMilliseconds + 1);

    /// <summary>Takes a report, and shows it once the operation has taken long enough.</summary>
    internal void Show(CracProgress report)
    {
        _unshown = report;
        ShowLatest();
    }

    /// <summary>Shows the latest report once the operation has taken long enough, or at once. A long phase may report nothing more.</summary>
    internal void ShowLatest(bool atOnce = false)
    {
        if (_unshown is { } report && (atOnce || Stopwatch.GetElapsedTime(_start) >= BeforeProgressShows))
        {
            _unshown = null;
            _record = new ProgressRecord(0, TerminalText.Escape(activity), TerminalText.Escape(Describe(report))) { PercentComplete = Percent(report) };
            command.WriteProgress(_record);
        }
    }

    /// <summary>Removes the bar.</summary>
    internal void End()
    {
        _unshown = null;
        if (_record is not null)
        {
            // The record that was shown may still be read by the host.
            command.WriteProgress(new ProgressRecord(0, _record.Activity, _record.StatusDescription) { RecordType = ProgressRecordType.Completed });
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
            CracPhase.Packing => "Writing the archive",
            CracPhase.Unpacking => "Unpacking",
            CracPhase.Connecting => "Asking the other host",
            CracPhase.Sending => "Sending",
            CracPhase.DumpingCore => "Writing the core",
            _ => "Resuming",
        };
        return report is { Bytes: > 0, ExpectedBytes: 0 } ? string.Create(CultureInfo.CurrentCulture, $"{phase}: {report.Bytes >> 20:N0} MiB")
            : report.Bytes > 0 ? string.Create(CultureInfo.CurrentCulture, $"{phase}: {report.Bytes >> 20:N0} of about {report.ExpectedBytes >> 20:N0} MiB")
            : phase;
    }

    private static int Percent(CracProgress report) =>
        report is { Bytes: > 0, ExpectedBytes: > 0 } ? (int)Math.Min(99, report.Bytes * 100 / report.ExpectedBytes) : -1;
}
