using System.Collections.Concurrent;
using System.Management.Automation;
using System.Runtime.ExceptionServices;
using PSCrac.Common;
using PSCrac.Formatting;
using PSCrac.Images.Operations;
using PSCrac.Stores;

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

    /// <summary>Writes an object. Its type's formats and properties are loaded first.</summary>
    private protected new void WriteObject(object? value) => WriteObject(value, enumerateCollection: false);

    /// <summary>Writes an object, or those of a collection. Their types' formats and properties are loaded first.</summary>
    private protected new void WriteObject(object? value, bool enumerateCollection)
    {
        if (!_hasWritten && value is not bool)
        {
            CracTypeData.Load();
            _hasWritten = true;
        }

        base.WriteObject(value, enumerateCollection);
    }

    /// <summary>Writes a verbose message.</summary>
    internal new void WriteVerbose(string text) => base.WriteVerbose(TerminalText.Escape(text, keepsLines: true));

    /// <summary>Writes a warning.</summary>
    internal new void WriteWarning(string text) => base.WriteWarning(TerminalText.Escape(text, keepsLines: true));

    /// <summary>Asks whether to do something, or says that it would be done.</summary>
    private protected new bool ShouldProcess(string target, string action) => base.ShouldProcess(TerminalText.Escape(target), TerminalText.Escape(action));

    /// <summary>Asks whether to do something that is described in several lines, or says that it would be done.</summary>
    private protected bool ShouldDo(string description)
    {
        string text = TerminalText.Escape(description, keepsLines: true);
        return base.ShouldProcess(text, $"{text}\nContinue?", MyInvocation.MyCommand.Name);
    }

    /// <inheritdoc/>
    protected override void StopProcessing() => _stopping.Cancel();

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the cmdlet holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stopping.Dispose();
        }
    }

    /// <summary>Runs an operation on another thread, while the pipeline's thread shows its progress.</summary>
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
                // Ctrl+C: nothing can be shown any more, but the operation still has to clean up.
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

    // The types are needed for the output, and this thread is idle while the operation runs.
    private static void LoadTypesMeanwhile()
    {
        try
        {
            CracTypeData.Load();
        }
        catch (Exception e) when (e is RuntimeException or TypeLoadException or IOException)
        {
            // Ctrl+C, or a session that refuses the types. The operation must still end; WriteObject meets the error again.
        }
    }

    /// <summary>
    /// Called by a running operation: runs a function on the pipeline's thread, the only one on which script blocks and the
    /// cmdlet's streams work, and returns its result or throws what it threw.
    /// </summary>
    private protected T OnPipeline<T>(Func<T> function)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _pipelineWork!.Add(() =>
        {
            try
            {
                // Nothing can be shown while the function runs, which may take long.
                _display!.ShowLatest(atOnce: true);
                done.SetResult(function());
            }
            catch (Exception e)
            {
                // The operation handles it; thrown here, it would end the pipeline before the operation has cleaned up.
                done.SetException(e);
            }
        });
        return done.Task.GetAwaiter().GetResult();
    }

    /// <summary>
    /// Writes what an operation finds as it finds it. The operation runs on another thread, while the pipeline's thread shows
    /// its progress and can be stopped.
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
                record = new ProgressRecord(0, TerminalText.Escape(activity), TerminalText.Escape(status()));
                WriteProgress(record);
            }
        }

        if (record is not null)
        {
            record.RecordType = ProgressRecordType.Completed;
            WriteProgress(record);
        }
    }

    /// <summary>Runs an action for one item. A failure is a non-terminating error of that item.</summary>
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
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
    }

    /// <summary>Runs an action for the whole command. A failure is a terminating error.</summary>
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

    /// <summary>Writes the error of an item.</summary>
    private protected virtual void OnFailure(CracException failure, object? target) => WriteError(CracErrorRecord.Create(failure, target));

    /// <summary>The full file system path for a path as a user gave it. It need not exist; wildcards are not expanded.</summary>
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
            // A drive or provider that does not exist: an error of this item, not of the command.
            throw new CracException(CracReason.NotAnImage, $"{path} is no path: {e.Message}", "Get-PSDrive lists the drives; put ./ before a name with a colon.", e);
        }
    }

    /// <summary>The name of a store or of an image in one, with the full path of a layout's folder.</summary>
    private protected StoreName ResolveStore(string text) => StoreName.Parse(text).WithFullPath(ResolveLiteral);

    /// <summary>How a registry is reached, as parameters say.</summary>
    private protected RegistryAccess RegistryAccessOf(string? authFile, string? certificateDirectory, bool skipTlsCheck) => new()
    {
        AuthFile = ResolveOptional(authFile),
        CertificateDirectory = ResolveOptional(certificateDirectory),
        SkipTlsCheck = skipTlsCheck,
    };

    /// <summary>The path of an optional parameter's file, as <see cref="ResolveLiteral"/> gives it; null where there is none.</summary>
    private protected string? ResolveOptional(string? path) => path is null ? null : ResolveLiteral(path);

    /// <summary>The full path of an image, given by path or by its name under the image root.</summary>
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
            // A name with a colon is no path, but can be an image's.
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
