using System.Diagnostics;
using PSCrac.Interop;
using PSCrac.Jvm;
using PSCrac.Starting.Fingerprints;

namespace PSCrac.Starting.Services;

/// <summary>Restores a service from the newest image that fits, or starts its program and warms it up.</summary>
internal sealed class ServiceStart
{
    private readonly ServiceDescription _description;
    private readonly StartRequest _request;
    private readonly ServiceImages _images;
    private readonly ServiceReports _reports;
    private readonly Func<bool> _wasEnded;

    /// <summary>Creates it.</summary>
    /// <param name="description">The service.</param>
    /// <param name="images">Its images.</param>
    /// <param name="reports">Receives what happens.</param>
    /// <param name="wasEnded">Whether the service was told to end; then nothing is started any more.</param>
    /// <exception cref="CracException"><see cref="CracReason.ServiceInvalid"/>: a value of the description is not possible.</exception>
    internal ServiceStart(ServiceDescription description, ServiceImages images, ServiceReports reports, Func<bool> wasEnded)
    {
        _description = description;
        _images = images;
        _reports = reports;
        _wasEnded = wasEnded;
        _request = ServiceRequest.CreateStart(description);
    }

    /// <summary>Restores the service or, where no image fits, starts it, and waits until it is ready.</summary>
    /// <param name="mayRestore">Whether it may be restored.</param>
    /// <param name="started">Called with each process as soon as it runs, before it is ready.</param>
    /// <exception cref="CracException">It failed, and the program was ended.</exception>
    internal StartedService Run(bool mayRestore, Action<CracStartedProcess> started) =>
        (mayRestore ? TryRestore(started) : null) ?? Start(started);

    /// <summary>Warms the program up, as it is after a start, so that a restore finds it warm.</summary>
    /// <returns>Whether all that warms it up succeeded; otherwise a line says what did not.</returns>
    internal bool WarmUp(StartedService service)
    {
        if (_description.WarmUpUri.Count + _description.WarmUpCommands.Count > 0)
        {
            _reports.Notifier.Status("Warming up");
        }

        try
        {
            if (FindWarmUpFailure() is { } failure)
            {
                _reports.Say($"The warm-up failed, so there is no checkpoint: {failure}.");
                return false;
            }

            if (_description.CollectGarbage)
            {
                JvmHeap.Collect(service.Process.Id, CancellationToken.None);
            }

            return true;
        }
        catch (CracException e)
        {
            _reports.Say("The warm-up failed, so there is no checkpoint", e);
            return false;
        }
    }

    private StartedService? TryRestore(Action<CracStartedProcess> started)
    {
        IReadOnlyList<ServiceImage> images = _images.ReadGood();
        if (images.Count == 0)
        {
            return null;
        }

        StartedCommand command = _request.FindCommand();
        ReadyCondition[] conditions = [.. _request.Ready.Where(static condition => condition.HoldsAfterRestore)];
        foreach (ServiceImage image in images)
        {
            Prepare(conditions);
            if (TryRestore(image, command, conditions, started) is { } service)
            {
                return service;
            }
        }

        return null;
    }

    private StartedService? TryRestore(ServiceImage candidate, StartedCommand command, ReadyCondition[] conditions, Action<CracStartedProcess> started)
    {
        _reports.Notifier.Status($"Restoring {candidate.Path}");
        CracStartedProcess? process = null;
        try
        {
            using var early = new EarlyReadinessCheck(progress: null, conditions, CancellationToken.None);
            long start = Stopwatch.GetTimestamp();
            var image = CracImage.Open(candidate.Path);
            if (ImageMatch.FindDifferences(image, command) is { Count: > 0 } differences)
            {
                _reports.Say($"The image {candidate.Path} does not match what is started, and is not used: {string.Join("; ", differences)}.");
                return null;
            }

            process = StartOperation.RestoreAsChild(image, _request, _request.FindOtherStreams(image.Manifest?.Start), early, CancellationToken.None);
            started(process);
            Readiness.Wait(process, conditions, start, _request.ReadyTimeout);
            _reports.Say($"Restored from {candidate.Path} as process {process.Id} in {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms.");
            return new StartedService(process, candidate);
        }
        catch (CracException e)
        {
            bool isOfImage = process is not null && !WasKilled(process);
            process?.End();
            if (_wasEnded())
            {
                throw;
            }

            _reports.Say($"The image {candidate.Path} could not be restored, and is not used", e);
            if (isOfImage)
            {
                SetAside(candidate);
            }

            return null;
        }
    }

    /// <summary>Whether another process has ended it, or the kernel for want of memory: that is no fault of its image.</summary>
    internal static bool WasKilled(CracStartedProcess process) => process.ExitSignal is LibC.SIGKILL or LibC.SIGTERM;

    /// <summary>Sets an image aside, and writes a line.</summary>
    internal void SetAside(ServiceImage image)
    {
        try
        {
            _reports.Say($"The image is set aside: {_images.SetAside(image).Path}.");
        }
        catch (CracException e)
        {
            _reports.Say("The image stays", e);
        }
    }

    private StartedService Start(Action<CracStartedProcess> started)
    {
        _reports.Notifier.Status("Starting");
        long start = Stopwatch.GetTimestamp();
        var warnings = new List<string>();
        StartFingerprint fingerprint = StartOperation.TakeFingerprint(_request, warnings);
        StartResult result = StartOperation.Run(_request, started: started);
        foreach (string warning in warnings.Concat(result.Warnings))
        {
            _reports.Say(warning);
        }

        _reports.Say($"Started as process {result.Process.Id}, ready after {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms.");
        return new StartedService(result.Process, Image: null) { Fingerprint = fingerprint };
    }

    private static void Prepare(ReadyCondition[] conditions)
    {
        foreach (ReadyCondition condition in conditions)
        {
            condition.Prepare(CancellationToken.None);
        }
    }

    private string? FindWarmUpFailure()
    {
        foreach (Uri uri in _description.WarmUpUri)
        {
            HttpProbe.RequireUsable(uri);
            for (int i = 0; i < _description.WarmUpCount; i++)
            {
                int? status = HttpProbe.GetStatus(uri, _description.ReadyTimeout, CancellationToken.None);
                if (status is null or >= 500)
                {
                    return $"{uri} {(status is null ? "does not answer" : $"answers with status {status}")}";
                }
            }
        }

        foreach (IReadOnlyList<string> words in _description.WarmUpCommands)
        {
            var command = new ServiceCommand(words, _request);
            int? code = command.Run(_description.ReadyTimeout);
            if (code != 0)
            {
                return $"{command.Text} {(code is null ? $"took longer than {_description.ReadyTimeout.TotalSeconds:0.###} s" : $"ended with exit code {code}")}";
            }
        }

        return null;
    }
}
