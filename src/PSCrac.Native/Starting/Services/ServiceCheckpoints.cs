using System.Diagnostics;
using PSCrac.Checkpointing;
using PSCrac.Images.Operations;
using PSCrac.Options;

namespace PSCrac.Starting.Services;

/// <summary>Takes the checkpoints of a running service, one at a time, and removes the images that it does not need any more.</summary>
internal sealed class ServiceCheckpoints
{
    private static readonly TimeSpan SettleTimeout = TimeSpan.FromSeconds(5);
    private readonly ServiceDescription _description;
    private readonly ServiceImages _images;
    private readonly ServiceReports _reports;
    private readonly CheckpointOptions _options;

    /// <summary>Creates it.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ServiceInvalid"/>: the description has an option that is not possible.</exception>
    internal ServiceCheckpoints(ServiceDescription description, ServiceImages images, ServiceReports reports)
    {
        _description = description;
        _images = images;
        _reports = reports;
        _options = ServiceRequest.CreateOptions(description);
    }

    /// <summary>Takes a checkpoint of the program, which continues. Whatever prevents it is a line: the service matters more than its image.</summary>
    internal void Take(StartedService service)
    {
        _reports.Notifier.Status("Checkpointing");
        string path = _images.CreatePath(DateTime.UtcNow);
        long start = Stopwatch.GetTimestamp();
        try
        {
            // Connections of a readiness check or of the warm-up close a moment after the last response.
            TreeSockets.WaitUntilSettled(service.Process.Id, SettleTimeout, CancellationToken.None);
            Checkpoint.Run(new CheckpointRequest
            {
                ProcessId = service.Process.Id,
                ImagePath = path,
                Engine = _description.Engine,
                Options = _options,
                CriuPath = _description.CriuPath,
                Start = service.ReadStart(),
            });
            _reports.Say($"Checkpointed to {path} in {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms.");
            RemoveOld();
        }
        catch (CracException e) when (e.Reason is CracReason.ProcessNotFound or CracReason.ProcessGone || service.Process.HasExited)
        {
            // It has ended, which its wait tells.
        }
        catch (CracException e)
        {
            _reports.Say("It goes on, but its checkpoint was skipped", e);
        }
    }

    private void RemoveOld()
    {
        foreach (ServiceImage image in _images.FindRemovable(_description.Keep))
        {
            try
            {
                ImageRemoval.Remove(CracImage.Open(image.Path), force: false);
            }
            catch (CracException e)
            {
                _reports.Say($"The image {image.Path} stays", e);
            }
        }
    }
}
