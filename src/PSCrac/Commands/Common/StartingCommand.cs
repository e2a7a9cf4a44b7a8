using System.Management.Automation;
using PSCrac.Starting;

namespace PSCrac.Commands.Common;

/// <summary>The parameters that the cmdlets share that start a program themselves, and so can run script blocks for it.</summary>
public abstract class StartingCommand : ProgramCommand
{
    private CracStartedProcess? _process;

    /// <summary>It is ready when this returns something that converts to true.</summary>
    [Parameter, ValidateNotNull]
    public ScriptBlock? ReadyScript { get; set; }

    /// <summary>Run once it is ready, before the checkpoint.</summary>
    [Parameter]
    [ValidateNotNull]
    public ScriptBlock? WarmUp { get; set; }

    /// <inheritdoc/>
    private protected override StartRequest Request() => base.Request() with
    {
        Ready = [.. ReadyParameters.Conditions(ReadyUri, ReadyPort, ReadyScript is null ? null : RunReadyScript)],
        WarmUp = WarmUp is null ? null : Warm,
    };

    /// <summary>Called as soon as the process exists, before it is ready.</summary>
    private protected virtual void OnStarted(CracStartedProcess process) => _process = process;

    private bool RunReadyScript() => OnPipeline(() => ReadyParameters.RunScript(ReadyScript!, _process));

    // The output of the warm-up is not the cmdlet's output; its errors are errors as in any script.
    private void Warm(CracStartedProcess process) => OnPipeline<object?>(() =>
    {
        WarmUp!.InvokeWithContext(null, [new PSVariable("_", process)]);
        return null;
    });
}
