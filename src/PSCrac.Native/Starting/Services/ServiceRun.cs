using System.Diagnostics;

namespace PSCrac.Starting.Services;

/// <summary>Runs a service in front: starts or restores it, passes signals on, takes its checkpoints, and restarts it after a crash.</summary>
internal sealed class ServiceRun : IDisposable
{
    /// <summary>The exit code where the program did not give one.</summary>
    internal const int Failed = 125;

    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(20);
    private readonly ServiceDescription _description;
    private readonly ServiceReports _reports;
    private readonly ServiceStart _start;
    private readonly ServiceCheckpoints _checkpoints;
    private readonly ServiceRestarts _restarts;
    private readonly SignalForwarding _signals = new(keepsThisProcess: true);

    private ServiceRun(ServiceDescription description, ServiceReports reports)
    {
        _description = description;
        _reports = reports;
        var images = new ServiceImages(description.Name);
        _start = new ServiceStart(description, images, reports, () => _signals.WasEnded);
        _checkpoints = new ServiceCheckpoints(description, images, reports);
        _restarts = new ServiceRestarts(description.RestartLimit, description.RestartWindow);
    }

    /// <summary>Runs a service until it ends.</summary>
    /// <param name="description">The service.</param>
    /// <param name="say">Receives the lines of its log.</param>
    /// <returns>The program's exit code, 128 and the signal's number where a signal ended it; <see cref="Failed"/> where it could not be started.</returns>
    /// <exception cref="CracException"><see cref="CracReason.ServiceRunning"/>; or the description cannot be used.</exception>
    internal static int Run(ServiceDescription description, Action<string> say)
    {
        using var notifier = ServiceNotifier.Create();
        using ServiceLock held = ServiceLock.Take(description.Name);
        using var run = new ServiceRun(description, new ServiceReports(say, notifier));
        int code = run.Run();
        notifier.Stopping();
        return code;
    }

    /// <inheritdoc/>
    public void Dispose() => _signals.Dispose();

    private int Run()
    {
        bool mayRestore = true;
        while (true)
        {
            int code = RunOnce(mayRestore, out bool mayHelp);
            if (!mayHelp || _description.RestartFrom is not { } from)
            {
                return code;
            }

            if (!_restarts.TryAdd())
            {
                _reports.Say(
                    $"It crashed again after {_description.RestartLimit} restarts within {_description.RestartWindow}, so it is not restarted any more. Correct the cause and start it again; Get-CracImage lists its images.");
                return code;
            }

            mayRestore = from == CracServiceRestart.LastImage;
        }
    }

    /// <summary>Runs the program once.</summary>
    /// <param name="mayRestore">Whether it may be restored.</param>
    /// <param name="mayHelp">Whether it crashed, so that a restart may help.</param>
    private int RunOnce(bool mayRestore, out bool mayHelp)
    {
        StartedService service;
        try
        {
            service = _start.Run(mayRestore, _signals.Forward);
        }
        catch (CracException e)
        {
            _reports.Say(_signals.WasEnded ? "It was ended before it was ready" : "It could not be started", e);
            mayHelp = e.Reason is CracReason.ProgramEnded or CracReason.TimedOut && !_signals.WasEnded;
            return e.ExitCode ?? Failed;
        }

        long start = Stopwatch.GetTimestamp();
        if (service.Image is null && _start.WarmUp(service))
        {
            _checkpoints.Take(service);
        }

        _reports.Notifier.Ready(Status(service));

        IdleMemory.GiveBack();
        WaitForExit(service);
        CracStartedProcess process = service.Process;
        int code = process.ExitCode ?? Failed;
        mayHelp = code != 0 && !_signals.WasEnded;
        if (mayHelp)
        {
            _reports.Say(process.ExitSignal is { } signal ? $"It was ended by signal {signal}." : $"It ended with exit code {code}.");
        }

        if (mayHelp && service.Image is { } image && !ServiceStart.WasKilled(process) && _restarts.IsOfImage(image, Stopwatch.GetElapsedTime(start)))
        {
            _start.SetAside(image);
        }

        return code;
    }

    private static string Status(StartedService service) =>
        service.Image is { } image ? $"Running as process {service.Process.Id}, restored from {image.Path}" : $"Running as process {service.Process.Id}";

    // Without a schedule and a watchdog it sleeps until the program ends.
    private void WaitForExit(StartedService service)
    {
        var checkpoint = new Schedule(_description.CheckpointEvery);
        var watchdog = new Schedule(_reports.Notifier.WatchdogInterval);
        while (true)
        {
            TimeSpan wait = checkpoint.Left < watchdog.Left ? checkpoint.Left : watchdog.Left;
            if (service.Process.WaitForExit(wait == TimeSpan.MaxValue ? Timeout.InfiniteTimeSpan : wait < LongestWait ? wait : LongestWait))
            {
                return;
            }

            if (watchdog.IsDue())
            {
                Watch();
            }

            if (checkpoint.IsDue())
            {
                _checkpoints.Take(service);
                _reports.Notifier.Status(Status(service));
                checkpoint.Restart();
                IdleMemory.GiveBack();
            }
        }
    }

    // A program that hangs does not answer, and then systemd is not told that it lives.
    private void Watch()
    {
        if (_description.ReadyUri is { } uri && HttpProbe.GetStatus(uri, _reports.Notifier.WatchdogInterval!.Value, CancellationToken.None) is null)
        {
            _reports.Say($"{uri} does not answer, so systemd is not told that the service lives.");
            return;
        }

        _reports.Notifier.Live();
    }

    /// <summary>When something that is repeated is due.</summary>
    /// <param name="interval">The time between; null for never.</param>
    private sealed class Schedule(TimeSpan? interval)
    {
        private long _last = Stopwatch.GetTimestamp();

        /// <summary>The time until it is due; 0 where it is.</summary>
        internal TimeSpan Left => interval is not { } every ? TimeSpan.MaxValue
            : every - Stopwatch.GetElapsedTime(_last) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;

        /// <summary>Whether it is due; then the next time is counted from now.</summary>
        internal bool IsDue()
        {
            bool isDue = Left == TimeSpan.Zero;
            if (isDue)
            {
                Restart();
            }

            return isDue;
        }

        internal void Restart() => _last = Stopwatch.GetTimestamp();
    }
}
