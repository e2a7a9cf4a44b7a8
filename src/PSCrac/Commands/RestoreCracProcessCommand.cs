using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Starting;

namespace PSCrac.Commands;

/// <summary>Restore-CracProcess: brings a process tree back from its image.</summary>
[Cmdlet(VerbsData.Restore, "CracProcess", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracRestoredProcess))]
public sealed class RestoreCracProcessCommand : RestoringCommand
{
    /// <summary>The restored process is ready when this URI answers with a status below 400.</summary>
    [Parameter, ValidateNotNull]
    public Uri? ReadyUri { get; set; }

    /// <summary>The restored process is ready when it listens on this TCP port.</summary>
    [Parameter, ValidateRange(1, 65535)]
    public int ReadyPort { get; set; }

    /// <summary>The restored process is ready when this returns something that converts to true.</summary>
    [Parameter, ValidateNotNull]
    public ScriptBlock? ReadyScript { get; set; }

    /// <summary>How long the restored process may take until it is ready, in seconds.</summary>
    [Parameter, ValidateRange(1, int.MaxValue / 1000)]
    public int ReadyTimeout { get; set; } = 60;

    /// <inheritdoc/>
    protected override void BeginProcessing() => OrEnd(null, () =>
    {
        GivenOptions().RequireConsistent();
        _ = ReadyParameters.Conditions(ReadyUri, ReadyPort, null).Count();
        JvmOptions().RequireConsistent(Engine);
    });

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        if (!ShouldProcess($"{image.Command} ({image.RootProcessId})", $"Restore from {image.StoredName ?? image.Path}"))
        {
            return;
        }

        ReadyCondition[] ready = [.. ReadyParameters.Conditions(ReadyUri, ReadyPort, ReadyScript is null ? null : RunReadyScript)];
        RestoreRequest request = Request(image);
        CracRestoredProcess restored = RunOperation(
            $"Restoring {image.Name} ({image.RootProcessId})",
            (progress, stopping) => Readiness.Restore(request, ready, TimeSpan.FromSeconds(ReadyTimeout), progress, stopping));
        this.WriteSummary(restored, MyInvocation.BoundParameters.ContainsKey(nameof(PidNamespace)));
        if (Wait)
        {
            WaitForExit(restored);
        }

        WriteObject(restored);
    }

    private bool RunReadyScript() => OnPipeline(() => ReadyParameters.RunScript(ReadyScript!, process: null));

    private void WaitForExit(CracRestoredProcess restored)
    {
        try
        {
            restored.WaitForExit(Timeout.InfiniteTimeSpan, StopToken);
        }
        catch (OperationCanceledException)
        {
            throw new PipelineStoppedException();
        }
    }
}
