using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;
using System.Runtime.ExceptionServices;
using PSCrac.Checkpointing;

namespace PSCrac.Commands;

/// <summary>What the cmdlets share: errors become error records, Ctrl+C a cancellation, an operation's phases a progress bar.</summary>
public abstract class CracCommand : PSCmdlet, IDisposable
{
    private static readonly TimeSpan BeforeProgressShows = TimeSpan.FromMilliseconds(500);
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Cancelled by Ctrl+C.</summary>
    private protected CancellationToken StopToken => _stopping.Token;

    /// <inheritdoc/>
    protected override void StopProcessing() => _stopping.Cancel();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Lets go of what the cmdlet holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stopping.Dispose();
        }
    }

    /// <summary>Runs an operation away from the pipeline's thread, which meanwhile shows how far it is.</summary>
    private protected T RunOperation<T>(string activity, Func<IProgress<CracProgress>, CancellationToken, T> operation)
    {
        using var reports = new BlockingCollection<CracProgress>();
        Task<T> task = Task.Factory.StartNew(
            () =>
            {
                try
                {
                    return operation(new Reporter(reports), _stopping.Token);
                }
                finally
                {
                    reports.CompleteAdding();
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        ShowProgress(activity, reports);
        try
        {
            return task.GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
    }

    /// <summary>
    /// Writes what an operation finds as it finds it. The operation runs away from the pipeline's thread, which meanwhile
    /// shows how far it is and can be stopped.
    /// </summary>
    private protected void WriteStream<T>(string activity, Func<CancellationToken, IEnumerable<T>> operation, Func<string> status)
    {
        using var found = new BlockingCollection<T>(boundedCapacity: 1024);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        Task task = Task.Factory.StartNew(
            () =>
            {
                try
                {
                    foreach (T each in operation(ended.Token))
                    {
                        found.Add(each, ended.Token);
                    }
                }
                finally
                {
                    found.CompleteAdding();
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        try
        {
            WriteFound(activity, found, status);
        }
        finally
        {
            // A later command of the pipeline may want no more (Select-Object -First).
            ended.Cancel();
            ((IAsyncResult)task).AsyncWaitHandle.WaitOne();
        }

        if (!_stopping.IsCancellationRequested)
        {
            task.GetAwaiter().GetResult();
        }
    }

    private void WriteFound<T>(string activity, BlockingCollection<T> found, Func<string> status)
    {
        const int ProgressMilliseconds = 500;
        ProgressRecord? record = null;
        while (!found.IsCompleted)
        {
            if (found.TryTake(out T? each, ProgressMilliseconds))
            {
                WriteObject(each);
            }
            else if (!found.IsCompleted)
            {
                record = new ProgressRecord(0, activity, status());
                WriteProgress(record);
            }
        }

        if (record is not null)
        {
            record.RecordType = ProgressRecordType.Completed;
            WriteProgress(record);
        }
    }

    /// <summary>Does something for one item: what goes wrong with it is its own error, and the next item's turn comes.</summary>
    private protected void ForItem(object? target, Action action)
    {
        try
        {
            action();
        }
        catch (CracException e)
        {
            WriteError(CracErrorRecord.Create(e, target));
        }
    }

    /// <summary>The file system path for what a user gave, which need not exist. Wildcards mean nothing.</summary>
    private protected string ResolveLiteral(string path)
    {
        try
        {
            string resolved = SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out ProviderInfo provider, out _);
            return provider.Name == "FileSystem"
                ? resolved
                : throw new CracException(CracReason.NotAnImage, $"{path} is not in the file system but in {provider.Name}.", "Give a path of the file system.");
        }
        catch (SessionStateException e)
        {
            // A drive or provider that is not there: an error of this item, not the end of the pipeline.
            throw new CracException(CracReason.NotAnImage, $"{path} is no path: {e.Message}", "Get-PSDrive lists the drives; put ./ before a name with a colon.", e);
        }
    }

    private void ShowProgress(string activity, BlockingCollection<CracProgress> reports)
    {
        long start = Stopwatch.GetTimestamp();
        ProgressRecord? record = null;
        foreach (CracProgress report in reports.GetConsumingEnumerable())
        {
            if (Stopwatch.GetElapsedTime(start) >= BeforeProgressShows)
            {
                record = new ProgressRecord(0, activity, Describe(report)) { PercentComplete = Percent(report) };
                WriteProgress(record);
            }
        }

        if (record is not null)
        {
            record.RecordType = ProgressRecordType.Completed;
            WriteProgress(record);
        }
    }

    private static string Describe(CracProgress report)
    {
        string phase = report.Phase switch
        {
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

    private sealed class Reporter(BlockingCollection<CracProgress> reports) : IProgress<CracProgress>
    {
        public void Report(CracProgress value) => reports.Add(value);
    }
}
