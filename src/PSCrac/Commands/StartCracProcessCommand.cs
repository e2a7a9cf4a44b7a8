using System.Management.Automation;
using System.Management.Automation.Host;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Operations;
using PSCrac.Procfs;
using PSCrac.Starting;

namespace PSCrac.Commands;

/// <summary>Start-CracProcess: starts a program so that it can be checkpointed, and does so when it is ready.</summary>
[Cmdlet(VerbsLifecycle.Start, "CracProcess", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = NoImageSet)]
[OutputType(typeof(CracStartedProcess))]
public sealed class StartCracProcessCommand : StartingCommand
{
    private const string NoImageSet = "NoImage";
    private const string ImagePathSet = "ImagePath";
    private const string ImageNameSet = "ImageName";
    private static readonly TimeSpan InterruptGrace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SignalLatency = TimeSpan.FromMilliseconds(200);
    private SignalForwarding? _signals;

    /// <summary>It is ready when a line of its output matches this.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? ReadyPattern { get; set; }

    /// <summary>It is ready when it has written this file.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? ReadyFile { get; set; }

    /// <summary>The directory that the image becomes.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ImagePathSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? ImagePath { get; set; }

    /// <summary>The image's name under the image root.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ImageNameSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string? ImageName { get; set; }

    /// <summary>Let the program go on after the checkpoint.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    public SwitchParameter LeaveRunning { get; set; }

    /// <summary>Restore the program where the image is there already.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    public SwitchParameter OrRestore { get; set; }

    /// <summary>Replace an image that is there.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    public SwitchParameter Force { get; set; }

    /// <summary>Whose process ids the program gets: the session's, or those of a new pid namespace.</summary>
    [Parameter]
    public CracPidNamespace PidNamespace { get; set; }

    /// <summary>Which way a JVM's checkpoint and restore go: the JVM's own or criu's.</summary>
    [Parameter]
    public CracEngineChoice Engine { get; set; }

    /// <summary>Stay until the program has ended, passing signals on to it.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    // There is one program: a unit or a container that starts it must see that it did not.

    /// <inheritdoc/>
    protected override void EndProcessing() => OrEnd(FilePath, Start);

    private void Start()
    {
        string? target = ImageName is not null ? ImageRoot.PathOf(ImageName) : ResolveOptional(ImagePath);
        string action = target is null ? "Start"
            : OrRestore ? $"Restore from {target}, or start and checkpoint to it"
            : $"Start, and checkpoint to {target}; the program {(LeaveRunning ? "goes on" : "is killed")}";
        if (!ShouldProcess(CommandLine, action))
        {
            return;
        }

        StartRequest request = Request() with
        {
            ImagePath = target,
            LeaveRunning = LeaveRunning,
            OrRestore = OrRestore,
            Force = Force,
            PidNamespace = GetGiven(PidNamespace, nameof(PidNamespace)),
            Engine = Engine,
            EndWithCaller = Wait,
        };
        request = request with { Ready = [.. request.Ready, .. OwnConditions(request)] };
        Debugger? debugger = Wait ? FindHostDebugger() : null;
        using var signals = new SignalForwarding(keepsThisProcess: Wait) { Quitting = () => debugger?.SetDebuggerStepMode(false) };
        _signals = signals;
        StartResult result = RunOperation($"Starting {FilePath}", (progress, stopping) => StartOperation.Run(request, progress, OnStarted, stopping));
        this.WriteSummary(result, hasTarget: target is not null);
        if (Wait)
        {
            WaitForExit(result.Process);
        }

        WriteObject(result.Process);
    }

    private protected override void OnStarted(CracStartedProcess process)
    {
        base.OnStarted(process);
        _signals?.Forward(process);
    }

    // On SIGQUIT PowerShell's console has the script break into the debugger at its next statement (BreakIntoDebugger in its
    // ConsoleHost.cs), where a service would wait for commands.
    private Debugger? FindHostDebugger()
    {
        try
        {
            return (Host as IHostSupportsInteractiveSession)?.Runspace?.Debugger;
        }
        catch (NotImplementedException)
        {
            // A host that is no console.
            return null;
        }
    }

    private IEnumerable<ReadyCondition> OwnConditions(StartRequest request)
    {
        if (ReadyFile is not null)
        {
            yield return new ReadyFile(ResolveLiteral(ReadyFile));
        }

        if (ReadyPattern is not null)
        {
            string[] outputs = [.. new[] { request.StandardOutputPath, request.StandardErrorPath }.OfType<string>()];
            yield return outputs.Length > 0 ? NewPattern(ReadyPattern, outputs) : throw new CracException(
                CracReason.OptionRefused,
                "-ReadyPattern has no output to look at.",
                "Give -StandardOutputPath, -StandardErrorPath, or both, which may be the same file.");
        }
    }

    private static ReadyPattern NewPattern(string pattern, string[] outputs)
    {
        try
        {
            return new ReadyPattern(pattern, outputs);
        }
        catch (ArgumentException e)
        {
            throw new CracException(CracReason.OptionRefused, $"-ReadyPattern '{pattern}' is no regular expression: {e.Message}", "Correct it; what is meant as it stands is written as [regex]::Escape('text') gives it.", e);
        }
    }

    private void WaitForExit(CracStartedProcess process)
    {
        try
        {
            process.WaitForExit(Timeout.InfiniteTimeSpan, StopToken);
        }
        catch (OperationCanceledException)
        {
            EndInterrupted(process);
            throw new PipelineStoppedException();
        }

        if (_signals is { WasInterrupted: true })
        {
            // The program ended by the signal before PowerShell stopped the pipeline for it, which it does in any case.
            EndInterrupted(process);
            throw new PipelineStoppedException();
        }
    }

    private void EndInterrupted(CracStartedProcess process)
    {
        // PowerShell and we hear of a SIGINT in no order that is sure: it may have stopped the pipeline already.
        bool isSignalled = SpinWait.SpinUntil(() => _signals is { WasInterrupted: true }, SignalLatency);

        // It has reached the program, and may mean something milder to it than being ended does.
        if (!isSignalled || !process.WaitForExit(InterruptGrace))
        {
            process.End();
        }

        // Nobody works on at a session without a terminal: this was how a service is ended, and its exit code is the session's.
        if (isSignalled && process.ExitCode is { } code && ProcessStatus.TryRead(System.Environment.ProcessId) is { TerminalDevice: 0 })
        {
            Host.SetShouldExit(code);
        }
    }
}
