using System.Collections.Concurrent;
using System.Management.Automation;
using System.Runtime.ExceptionServices;
using PSCrac.Common;
using PSCrac.Images.Operations;

namespace PSCrac.Commands.Common;

/// <summary>What the cmdlets share: errors become error records, Ctrl+C a cancellation, an operation's phases a progress bar.</summary>
public abstract class CracCommand : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private BlockingCollection<Action>? _pipelineWork;
    private OperationProgress? _display;
    private bool _hasWritten;

    /// <summary>Cancelled by Ctrl+C.</summary>
    private protected CancellationToken StopToken => _stopping.Token;

    /// <summary>A parameter's value; null where it was not given.</summary>
    private protected T? GetGiven<T>(T value, string name)
        where T : struct => MyInvocation.BoundParameters.ContainsKey(name) ? value : null;

    /// <summary>Writes an object, which PowerShell then knows the type of.</summary>
    private protected new void WriteObject(object? value) => WriteObject(value, enumerateCollection: false);

    /// <summary>Writes an object, or those of a collection, which PowerShell then knows the types of.</summary>
    private protected new void WriteObject(object? value, bool enumerateCollection)
    {
        if (!_hasWritten && value is not bool)
        {
            CracTypeData.Load();
            _hasWritten = true;
        }

        base.WriteObject(value, enumerateCollection);
    }

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
        using var work = new BlockingCollection<Action>();
        var display = new OperationProgress(this, activity);
        (_pipelineWork, _display) = (work, display);
        Task<T> task = Task.Factory.StartNew(
            () =>
            {
                try
                {
                    return operation(new Reporter(work, display), _stopping.Token);
                }
                finally
                {
                    work.Add(display.End);
                    work.CompleteAdding();
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        LoadTypesMeanwhile();
        while (!work.IsCompleted)
        {
            bool isWork = work.TryTake(out Action? action, display.MillisecondsUntilShown);
            try
            {
                if (isWork)
                {
                    action!();
                }
                else
                {
                    display.ShowLatest();
                }
            }
            catch (PipelineStoppedException)
            {
                // Ctrl+C: nothing is shown any more, but the operation is still to clean up after itself.
            }
        }

        (_pipelineWork, _display) = (null, null);
        try
        {
            return task.GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
    }

    // What is written in the end needs the types, and while an operation runs there is nothing else to do here.
    private static void LoadTypesMeanwhile()
    {
        try
        {
            CracTypeData.Load();
        }
        catch (Exception e) when (e is RuntimeException or TypeLoadException or IOException)
        {
            // Ctrl+C, or a session that takes no types. The operation is to come to its end; who writes meets it again.
        }
    }

    /// <summary>
    /// Called by a running operation: has the pipeline's thread, where alone script blocks and the cmdlet's streams work,
    /// do something, and gives its result or what it threw.
    /// </summary>
    private protected T OnPipeline<T>(Func<T> function)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _pipelineWork!.Add(() =>
        {
            try
            {
                // Nothing can be shown while it runs, which may be long.
                _display!.ShowLatest(atOnce: true);
                done.SetResult(function());
            }
            catch (Exception e)
            {
                // It is the operation's to handle; thrown here, it would end the pipeline before the operation has cleaned up.
                done.SetException(e);
            }
        });
        return done.Task.GetAwaiter().GetResult();
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
        catch (Exception e) when (CracErrorRecord.Translate(e) is not null)
        {
            OnFailure(CracErrorRecord.Translate(e)!, target);
        }
    }

    /// <summary>Does something that concerns the whole command: what goes wrong ends it.</summary>
    private protected void OrEnd(object? target, Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (CracErrorRecord.Translate(e) is not null)
        {
            ThrowTerminatingError(CracErrorRecord.Create(CracErrorRecord.Translate(e)!, target ?? MyInvocation.MyCommand.Name));
        }
    }

    /// <summary>Says that something went wrong with an item.</summary>
    private protected virtual void OnFailure(CracException failure, object? target) => WriteError(CracErrorRecord.Create(failure, target));

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

    /// <summary>The path of an optional parameter's file, as <see cref="ResolveLiteral"/> gives it; null where there is none.</summary>
    private protected string? ResolveOptional(string? path) => path is null ? null : ResolveLiteral(path);

    /// <summary>The full path of an image: for a path what <see cref="ResolveLiteral"/> gives, for a word that is no path here the image of that name.</summary>
    private protected string FindImage(string path)
    {
        bool isName = !path.Contains('/', StringComparison.Ordinal) && path is not ("." or "..");
        string? named = isName && ImageRoot.Find(path) is { } image ? image : null;
        string here;
        try
        {
            here = ResolveLiteral(path);
        }
        catch (CracException) when (named is not null)
        {
            // A name with a colon is no path, but may well be an image's.
            return named;
        }

        if (!isName || Path.Exists(here))
        {
            return here;
        }

        return named ?? throw new CracException(
            CracReason.NotAnImage,
            $"There is no image '{path}': neither {here} nor {Path.Combine(ImageRoot.Path, path)} exists.",
            "Get-CracImage lists the images under the image root.")
        {
            ImagePath = path,
        };
    }

    private sealed class Reporter(BlockingCollection<Action> work, OperationProgress display) : IProgress<CracProgress>
    {
        public void Report(CracProgress value) => work.Add(() => display.Show(value));
    }
}
