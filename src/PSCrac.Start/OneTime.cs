using System.Globalization;
using PSCrac.Checkpointing;
using PSCrac.Images.Operations;
using PSCrac.Options;
using PSCrac.Starting;
using PSCrac.Starting.Services;

namespace PSCrac.Start;

/// <summary>Operations without a description of a service, for entry points and hooks.</summary>
internal static class OneTime
{
    /// <summary>Restores an image, passes signals on to it, and waits for its end.</summary>
    /// <param name="image">A path with a slash, or a name below the image root.</param>
    /// <param name="say">Receives lines about it.</param>
    /// <returns>The program's exit code.</returns>
    internal static int Restore(string image, Action<string> say)
    {
        using var notifier = ServiceNotifier.Create();
        using var signals = new SignalForwarding(keepsThisProcess: true);
        var request = new StartRequest { FilePath = image };
        CracStartedProcess process = StartOperation.RestoreAsChild(CracImage.Open(Find(image)), request, new RestoreFiles(), progress: null, CancellationToken.None);
        signals.Forward(process);
        say($"Restored from {process.Image!.Path} as process {process.Id}.");
        notifier.Ready($"Running as process {process.Id}, restored from {process.Image.Path}");
        IdleMemory.GiveBack();
        process.WaitForExit(Timeout.InfiniteTimeSpan);
        return process.ExitCode ?? ServiceRun.Failed;
    }

    /// <summary>Checkpoints a process.</summary>
    /// <param name="id">Its pid.</param>
    /// <param name="image">The image: a path with a slash, or a name below the image root.</param>
    /// <param name="leaveRunning">Whether the process continues.</param>
    /// <param name="say">Receives lines about it.</param>
    internal static int Checkpoint(string id, string image, bool leaveRunning, Action<string> say)
    {
        if (!int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int processId))
        {
            throw new CracException(CracReason.OptionRefused, $"'{id}' is not a process id.", "Give the number of a process, such as that of pgrep -o NAME.");
        }

        CheckpointResult result = Checkpointing.Checkpoint.Run(new CheckpointRequest
        {
            ProcessId = processId,
            ImagePath = image.Contains('/', StringComparison.Ordinal) ? Path.GetFullPath(image) : ImageRoot.PathOf(image),
            Options = new CheckpointOptions { LeaveRunning = leaveRunning },
        });
        say($"Checkpointed process {id} to {result.Image.Path}.");
        return 0;
    }

    private static string Find(string image) =>
        image.Contains('/', StringComparison.Ordinal) ? Path.GetFullPath(image) : ImageRoot.Find(image) ?? Path.GetFullPath(image);
}
