using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Operations;
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
    private ForegroundProgram? _foreground;

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

    /// <summary>Store memory compressed.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    public SwitchParameter Compress { get; set; }

    /// <summary>Restore the program where the image is there already.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    public SwitchParameter OrRestore { get; set; }

    /// <summary>Restore the image although the command line or the files differ.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    public SwitchParameter IgnoreChange { get; set; }

    /// <summary>Restore only an image that an allowed signer has signed.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    public SwitchParameter RequireSignature { get; set; }

    /// <summary>The file that says whose signatures count.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? AllowedSigners { get; set; }

    /// <summary>Other files and folders that the program depends on.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string[] DependsOn { get; set; } = [];

    /// <summary>Replace an image that is there.</summary>
    [Parameter(ParameterSetName = ImagePathSet)]
    [Parameter(ParameterSetName = ImageNameSet)]
    public SwitchParameter Force { get; set; }

    /// <summary>The pid namespace that the program is started in: the session's, or a new one.</summary>
    [Parameter]
    public CracPidNamespace PidNamespace { get; set; }

    /// <summary>Whether the JVM or criu makes a JVM's checkpoint and restore.</summary>
    [Parameter]
    public CracEngineChoice Engine { get; set; }

    /// <summary>Wait until the program has ended, and pass signals on to it.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    // A failure is a terminating error: the unit or container that starts the program must see it.

    /// <inheritdoc/>
    protected override void EndProcessing() => OrEnd(FilePath, Start);

    private void Start()
    {
        string? target = ImageName is not null ? ImageRoot.PathOf(ImageName) : ResolveOptional(ImagePath);
        string action = target is null ? "Start"
            : OrRestore && !Force ? $"Restore from {target}, or start and checkpoint to it"
            : $"Start, and checkpoint to {target}; the program {(LeaveRunning || OrRestore ? "goes on" : "is killed")}";
        if (!ShouldProcess(CommandLine, action))
        {
            return;
        }

        StartRequest request = Request() with
        {
            ImagePath = target,
            LeaveRunning = LeaveRunning,
            Compress = Compress,
            OrRestore = OrRestore,
            IgnoreChange = IgnoreChange,
            RequireSignature = RequireSignature,
            AllowedSigners = ResolveOptional(AllowedSigners),
            DependsOn = [.. DependsOn.Select(ResolveLiteral)],
            Force = Force,
            PidNamespace = GetGiven(PidNamespace, nameof(PidNamespace)),
            Engine = Engine,
            EndWithCaller = Wait,
        };
        request = request with { Ready = [.. request.Ready, .. ReadyParameters.OutputConditions(ReadyPattern, request, ResolveOptional(ReadyFile))] };
        using var foreground = new ForegroundProgram(Host, isWaitedFor: Wait);
        _foreground = foreground;
        StartResult result = RunOperation($"Starting {FilePath}", (progress, stopping) => StartOperation.Run(request, progress, OnStarted, stopping));
        this.WriteSummary(result, hasTarget: target is not null);
        if (Wait)
        {
            foreground.WaitForExit(result.Process, StopToken);
        }

        WriteObject(result.Process);
    }

    private protected override void OnStarted(CracStartedProcess process)
    {
        base.OnStarted(process);
        _foreground?.ForwardSignals(process);
    }
}
