using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Interop;
using PSCrac.Options;

namespace PSCrac.Criu;

/// <summary>One request to one criu worker: it sets the options, receives the notifications and returns the result.</summary>
internal sealed class CriuSession : IDisposable
{
    /// <summary>criu(8)'s -v4: debug, which most failures need to be explained.</summary>
    internal const int Debug = 4;

    /// <summary>
    /// criu(8)'s -v3: also which tasks it stops, and the name of its lock rules. Debug messages are as many again, one system call each,
    /// while a dumped tree is frozen.
    /// </summary>
    internal const int Information = 3;

    /// <summary>
    /// criu(8)'s -v2: errors and warnings. criu writes about eight lines for each area of memory that it restores at
    /// <see cref="Debug"/>, one system call each.
    /// </summary>
    internal const int Warnings = 2;

    // The worker's numbers for inherited descriptors, above its other ones.
    private const int FirstInherited = 10;
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    [ThreadStatic]
    private static CriuSession? t_current;

    private readonly CriuWorker _worker;
    private readonly CriuWorkDirectory _work;
    private readonly CriuOptionsHandle _options = CriuOptionsHandle.Create();
    private ExceptionDispatchInfo? _handlerFailure;
    private ExceptionDispatchInfo? _callerFailure;
    private volatile bool _isCancelling;
    private volatile bool _isPastCancellation;
    private bool _diedUnexpectedly;

    private CriuSession(CriuWorker worker, CriuWorkDirectory work)
    {
        _worker = worker;
        _work = work;
    }

    /// <summary>Called for each of criu's notifications, on the thread that calls libcriu; an exception makes criu roll back.</summary>
    internal Action<string, int>? Notified { get; set; }

    /// <summary>Called once when the request has been sent, on the thread that called <see cref="Run"/>; throws nothing.</summary>
    internal Action? Begun { get; set; }

    /// <summary>
    /// Called several times a second while criu works, on the thread that called <see cref="Run"/>. Its exception makes criu roll
    /// back, and <see cref="Failure"/> then throws it.
    /// </summary>
    internal Action? Polled { get; set; }

    /// <summary>The maximum time for criu's rollback, before criu is killed.</summary>
    internal TimeSpan RollbackTimeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Whether criu was killed before its response, and so could not roll back.</summary>
    internal bool WasKilled { get; private set; }

    /// <summary>Whether criu ended before its response, whoever ended it.</summary>
    internal bool WorkerDied => WasKilled || _diedUnexpectedly;

    /// <summary>Whether the operation has reached the point after which it must not be cancelled.</summary>
    internal bool IsPastCancellation
    {
        get => _isPastCancellation;
        set => _isPastCancellation = value;
    }

    /// <summary>The worker of this session.</summary>
    internal CriuWorker Worker => _worker;

    /// <summary>
    /// Starts a worker in the caller's namespaces, before its session: criu takes some milliseconds until it listens, which the
    /// caller can use for other work.
    /// </summary>
    /// <param name="installation">Which criu.</param>
    /// <param name="standardInput">The terminal for a restored shell job; null for none.</param>
    /// <param name="inherited">Descriptors for criu to put in the place of what the image names, each with criu's key for it.</param>
    /// <param name="start">How it is started.</param>
    internal static CriuWorker StartWorker(
        CriuInstallation installation,
        SafeHandle? standardInput = null,
        IReadOnlyList<(SafeHandle Descriptor, string Key)>? inherited = null,
        WorkerStart start = WorkerStart.Usual) =>
        CriuWorker.Start(installation, standardInput, AssignDescriptors(inherited ?? []), place: null, start);

    /// <summary>Prepares a worker's options.</summary>
    /// <param name="installation">Which criu.</param>
    /// <param name="work">The directory of its log and its configuration file.</param>
    /// <param name="worker">The worker, which the session owns from now on.</param>
    /// <param name="inherited">The descriptors that the worker was started with.</param>
    internal static CriuSession Start(
        CriuInstallation installation, CriuWorkDirectory work, CriuWorker worker, IReadOnlyList<(SafeHandle Descriptor, string Key)>? inherited = null) =>
        Prepare(installation, work, worker, inherited ?? [], place: null);

    /// <summary>Starts a worker in other namespaces, and prepares its options.</summary>
    /// <param name="installation">Which criu.</param>
    /// <param name="work">The directory of its log and its configuration file.</param>
    /// <param name="place">The worker's namespaces.</param>
    /// <param name="standardInput">The terminal for a restored shell job; null for none.</param>
    /// <param name="inherited">Descriptors for criu to put in the place of what the image names, each with criu's key for it.</param>
    /// <param name="start">How it is started.</param>
    internal static CriuSession Start(
        CriuInstallation installation,
        CriuWorkDirectory work,
        CriuWorkerNamespace place,
        SafeHandle? standardInput = null,
        IReadOnlyList<(SafeHandle Descriptor, string Key)>? inherited = null,
        WorkerStart start = WorkerStart.Usual)
    {
        inherited ??= [];
        List<(SafeFileHandle Source, int Target)> own = [.. place.Descriptors(work)];
        try
        {
            CriuWorker worker = CriuWorker.Start(
                installation, standardInput, [.. own.ConvertAll(static each => ((SafeHandle)each.Source, each.Target)), .. AssignDescriptors(inherited)], place.Namespace, start);
            return Prepare(installation, work, worker, inherited, place);
        }
        finally
        {
            own.ForEach(static each => each.Source.Dispose());
        }
    }

    private static List<(SafeHandle Source, int Target)> AssignDescriptors(IReadOnlyList<(SafeHandle Descriptor, string Key)> inherited)
    {
        var placed = new List<(SafeHandle, int)>();
        for (int i = 0; i < inherited.Count; i++)
        {
            placed.Add((inherited[i].Descriptor, FirstInherited + i));
        }

        return placed;
    }

    private static CriuSession Prepare(
        CriuInstallation installation, CriuWorkDirectory work, CriuWorker worker, IReadOnlyList<(SafeHandle Descriptor, string Key)> inherited, CriuWorkerNamespace? place)
    {
        var session = new CriuSession(worker, work);
        try
        {
            CriuOptionsHandle options = session._options;
            if (inherited.Count > 0)
            {
                // libcriu accepts inherited descriptors only while it is set to start criu itself.
                LibCriu.criu_local_set_service_binary(options, installation.CriuPath);
                for (int i = 0; i < inherited.Count; i++)
                {
                    LibCriu.criu_local_add_inherit_fd(options, FirstInherited + i, inherited[i].Key);
                }
            }

            LibCriu.criu_local_set_work_dir_fd(options, DescriptorOf(work.Folder.Handle));
            LibCriu.criu_local_set_log_file(options, CriuWorkDirectory.LogName);
            LibCriu.criu_local_set_log_level(options, Debug);
            if (work.ConfigPath is { } config)
            {
                if (!LibCriu.CanReadConfigFile)
                {
                    throw new CracException(
                        CracReason.OptionRefused,
                        $"The libcriu at {installation.LibCriuPath} is too old to read a configuration file, which -CriuOption, -Wait, -LazyPages and new pid namespaces need.",
                        "Install libcriu 4.2 or later, or leave these out.");
                }

                LibCriu.criu_local_set_config_file(options, place is null ? config : CriuWorkerNamespace.ConfigPath);
            }

            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Sets the log level. The default is <see cref="Debug"/>.</summary>
    internal void SetLogLevel(int level) => LibCriu.criu_local_set_log_level(_options, level);

    /// <summary>Sets the options of the operation.</summary>
    /// <param name="options">The caller's options and the automatic ones.</param>
    /// <param name="imagesDirectory">The folder of the image.</param>
    internal void Apply(CriuOptions options, SafeHandle imagesDirectory)
    {
        LibCriu.criu_local_set_images_dir_fd(_options, DescriptorOf(imagesDirectory));
        options.SetIn(_options);
    }

    /// <summary>Sets which tree is dumped.</summary>
    /// <param name="processId">The root's pid in the worker's pid namespace.</param>
    internal void SetRoot(int processId) => LibCriu.criu_local_set_pid(_options, processId);

    /// <summary>Runs the request and waits for criu's response and its end.</summary>
    /// <returns>The result of libcriu: 0, or for a restore the pid of the tree's root. Negative on failure.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled and criu rolled back.</exception>
    internal unsafe int Run(CriuRequest request, CancellationToken cancellation)
    {
        int result = -1;
        using var answered = new ManualResetEventSlim();
        LibCriu.criu_local_set_notify_cb(_options, &OnNotification);
        using SafeFileHandle socket = LibC.Duplicate(_worker.Socket, 0, out _);
        LibCriu.criu_local_set_service_fd(_options, DescriptorOf(socket));

        // libcriu closes this descriptor after the response, so the handle must not close it again.
        socket.SetHandleAsInvalid();
        var caller = new Thread(() =>
        {
            t_current = this;
            try
            {
                result = Send(request);
            }
            finally
            {
                t_current = null;
                answered.Set();
            }
        })
        { IsBackground = true, Name = "criu " + request };
        caller.Start();
        Begun?.Invoke();
        Supervise(request, answered, cancellation);
        caller.Join();

        End(result >= 0);
        return result;
    }

    /// <summary>Makes the exception for a failed <see cref="Run"/>, with criu's error lines and the path of its log.</summary>
    /// <param name="operation">What criu was asked to do.</param>
    /// <param name="cancellation">The token that the operation ran under.</param>
    /// <param name="examineHarm">Finds out what a criu that was killed has done to the processes; null if it had none.</param>
    internal Exception Failure(CracOperation operation, CancellationToken cancellation, Func<WorkerHarm>? examineHarm = null)
    {
        string? log = _work.Keep();
        // What a restore has created ends either way: a rollback that took too long is not worth telling.
        bool isRefusedRestore = operation == CracOperation.Restore && WasKilled && _callerFailure is null && _handlerFailure is not null;
        if (WorkerDied && !isRefusedRestore)
        {
            string how = WasKilled ? $"criu did not roll back within {RollbackTimeout.TotalSeconds:0} s and was killed" : $"The criu worker ended before it answered ({_worker.ExitDescription})";
            return WorkerHarm.Explain(how, (_callerFailure ?? _handlerFailure)?.SourceException, examineHarm?.Invoke(), log, ReadErrors(log));
        }

        _callerFailure?.Throw();
        if (cancellation.IsCancellationRequested)
        {
            return new OperationCanceledException($"The {operation.Name} was cancelled; criu rolled it back.", cancellation);
        }

        if (_handlerFailure?.SourceException is { } refused)
        {
            return refused as CracException ?? new CracException(CracReason.SealFailed, refused.Message, null, refused)
            {
                LogPath = log,
            };
        }

        return KnownFailures.Explain(operation, log, ReadErrors(log));
    }

    public void Dispose()
    {
        _worker.Dispose();
        _options.Dispose();
    }

    private void End(bool hasSucceeded)
    {
        // A refused notification ends libcriu's call at once, while criu still rolls back. A criu that has responded with success
        // but does not end is killed as well, without what it has restored.
        bool hasEnded = _worker.WaitForEnd(RollbackTimeout);
        if (!hasEnded && hasSucceeded)
        {
            _worker.Kill();
            _worker.WaitForEnd(RollbackTimeout);
        }
        else if (!hasEnded)
        {
            WasKilled = true;
            _worker.KillTree();
        }

        if (!hasSucceeded)
        {
            _worker.KillRemains();
        }

        _worker.Reap();

        // Also a criu that had been refused and was killed while it rolled back.
        _diedUnexpectedly |= !hasSucceeded && !WasKilled && _worker.WasSignalled;
    }

    private int Send(CriuRequest request) => request switch
    {
        CriuRequest.Dump => LibCriu.criu_local_dump(_options),
        CriuRequest.Restore => LibCriu.criu_local_restore(_options),
        CriuRequest.Check => LibCriu.criu_local_check(_options),
        _ => throw new ArgumentOutOfRangeException(nameof(request)),
    };

    private void Supervise(CriuRequest request, ManualResetEventSlim answered, CancellationToken cancellation)
    {
        long killAt = long.MaxValue;
        WaitHandle[] events = [answered.WaitHandle, cancellation.WaitHandle];
        while (!answered.IsSet)
        {
            if ((cancellation.IsCancellationRequested || _callerFailure is not null) && !_isCancelling && !_isPastCancellation)
            {
                _isCancelling = true;
                killAt = Environment.TickCount64 + (long)RollbackTimeout.TotalMilliseconds;
                _worker.FailWrites();
            }

            if (cancellation.IsCancellationRequested)
            {
                // The token's handle stays signalled: waiting for it as well would spin.
                answered.Wait(PollInterval, CancellationToken.None);
            }
            else
            {
                WaitHandle.WaitAny(events, PollInterval);
            }

            if (Environment.TickCount64 > killAt && !answered.IsSet)
            {
                WasKilled = true;
                _worker.KillTree();
                killAt = long.MaxValue;
            }

            if (!answered.IsSet && _worker.WaitForEnd(TimeSpan.Zero))
            {
                // A response sent before the end may still have to be read; criu has died only if none comes.
                if (!answered.Wait(PollInterval, CancellationToken.None))
                {
                    _diedUnexpectedly = !WasKilled;
                    _worker.AnswerFailure(request);
                }

                answered.Wait(CancellationToken.None);
            }

            try
            {
                Polled?.Invoke();
            }
            catch (Exception e) when (_callerFailure is null)
            {
                // Throwing now would abandon libcriu's call, and criu in the middle of its work: let it roll back first.
                _callerFailure = ExceptionDispatchInfo.Capture(e);
                Polled = null;
            }
        }
    }

    private void OnNotification(string action, int pid)
    {
        if (_isCancelling)
        {
            throw new OperationCanceledException();
        }

        Notified?.Invoke(action, pid);
    }

    private IReadOnlyList<string> ReadErrors(string? log) =>
        log is not null && _work.ReadErrors() is { Count: > 0 } lines ? lines : CriuLog.SelectErrors(_worker.ReadOutput());

    private static int DescriptorOf(SafeHandle handle) => (int)handle.DangerousGetHandle();

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe int OnNotification(byte* action, nint notification)
    {
        CriuSession? session = t_current;
        if (session is null)
        {
            return -1;
        }

        try
        {
            session.OnNotification(Marshal.PtrToStringUTF8((nint)action) ?? string.Empty, LibCriu.criu_notify_pid(notification));
            return 0;
        }
        catch (Exception e)
        {
            // No exception may pass through libcriu's frames; a negative result makes criu roll back.
            session._handlerFailure = ExceptionDispatchInfo.Capture(e);
            return -1;
        }
    }
}
