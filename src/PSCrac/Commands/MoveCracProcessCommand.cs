using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;
using System.Text;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Operations;
using PSCrac.Moving;

namespace PSCrac.Commands;

/// <summary>Move-CracProcess: moves a process tree to another host while it lives.</summary>
[Cmdlet(VerbsCommon.Move, "CracProcess", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = InputObjectSet)]
[OutputType(typeof(CracMovedProcess))]
public sealed class MoveCracProcessCommand : CracCommand
{
    private const string IdSet = "Id";
    private const string InputObjectSet = "InputObject";

    private int _moved;

    /// <summary>The pids of the trees' roots.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = IdSet)]
    [ProcessIdText]
    [ValidateRange(1, int.MaxValue)]
    [ArgumentCompleter(typeof(ProcessIdCompleter))]
    public int[] Id { get; set; } = [];

    /// <summary>The trees' roots.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = InputObjectSet)]
    [ValidateNotNull]
    public Process[] InputObject { get; set; } = [];

    /// <summary>The other host, as ssh takes it.</summary>
    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string HostName { get; set; } = "";

    /// <summary>The user there.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? UserName { get; set; }

    /// <summary>The port of its sshd.</summary>
    [Parameter]
    [ValidateRange(1, 65535)]
    public int Port { get; set; }

    /// <summary>The file of the private key.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? KeyFilePath { get; set; }

    /// <summary>How long connecting may take, in milliseconds.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int ConnectingTimeout { get; set; } = 30_000;

    /// <summary>The image's name under the other host's image root.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? ImageName { get; set; }

    /// <summary>Move open TCP connections along.</summary>
    [Parameter]
    public SwitchParameter TcpEstablished { get; set; }

    /// <summary>The pid namespace that the tree is put into there.</summary>
    [Parameter]
    public CracPidNamespace PidNamespace { get; set; } = CracPidNamespace.Auto;

    /// <summary>Let it run there before most of its memory is there.</summary>
    [Parameter]
    public SwitchParameter LazyPages { get; set; }

    /// <summary>Runs here when the process is frozen, before the other host restores it.</summary>
    [Parameter]
    [ValidateNotNull]
    public ScriptBlock? BeforeRestore { get; set; }

    /// <summary>Runs here, after -BeforeRestore has run, when the process stays here.</summary>
    [Parameter]
    [ValidateNotNull]
    public ScriptBlock? OnFallback { get; set; }

    /// <summary>Keep the images, here and there.</summary>
    [Parameter]
    public SwitchParameter KeepImage { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing() => OrEnd(null, () =>
    {
        if (ImageName is not null)
        {
            _ = ImageRoot.PathOf(ImageName);
        }

        if (HostName.StartsWith('-'))
        {
            throw new CracException(CracReason.OptionRefused, $"'{HostName}' is no host: it begins with a dash, as options of ssh do.", "Give the host's name or address.");
        }

        foreach (MoveUnsettled unsettled in MoveRecords.ReadUnsettled())
        {
            WriteWarning(unsettled.Describe());
        }
    });

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == IdSet)
        {
            Array.ForEach(Id, id => ForItem(id, () => MoveOne(id)));
        }
        else
        {
            Array.ForEach(InputObject, process => ForItem(process, () => MoveOne(process.Id)));
        }
    }

    private void MoveOne(int id)
    {
        if (ImageName is not null && _moved++ > 0)
        {
            throw new CracException(
                CracReason.OptionRefused, $"-ImageName {ImageName} is one image, and process {id} is one more.", "Leave out -ImageName, and each process gets an image named after it.")
            {
                Operation = CracOperation.Move,
                ProcessId = id,
            };
        }

        var request = new MoveRequest
        {
            ProcessId = id,
            Host = new MoveHost
            {
                HostName = HostName,
                UserName = UserName,
                Port = GetGiven(Port, nameof(Port)),
                KeyFilePath = ResolveOptional(KeyFilePath),
                ConnectingTimeout = TimeSpan.FromMilliseconds(ConnectingTimeout),
            },
            ImageName = ImageName,
            TcpEstablished = TcpEstablished,
            PidNamespace = PidNamespace,
            KeepImage = KeepImage,
            LazyPages = LazyPages,
            BeforeRestore = BeforeRestore is null ? null : plan => OnPipeline(() => Run(BeforeRestore, plan)),
            OnFallback = OnFallback is null ? null : RunFallback,
        };
        using Move move = RunOperation($"Moving process {id} to {HostName}", (progress, stopping) => Move.Prepare(request, progress, stopping));
        move.RequirePossible();
        if (!ShouldDo(Describe(move.Plan)))
        {
            return;
        }

        CracMovedProcess moved = RunOperation($"Moving {move.Plan.Command} ({id}) to {HostName}", move.Run);
        foreach (string warning in moved.Warnings)
        {
            WriteWarning(warning);
        }

        WriteObject(moved);
        if (moved.State != CracMoveState.Moved)
        {
            bool isLost = moved.State == CracMoveState.Lost;
            string what = isLost ? "ran there, and is ended there, since a part of its memory did not come" : "whether it runs there is not known";
            throw new CracException(
                isLost ? CracReason.ConnectionLost : CracReason.MoveUncertain,
                $"{moved.Command} ({id}) was given to {HostName}, and {what}{(moved.Failure is { } failure ? $": {failure.Message}" : ".")}",
                moved.RecommendedAction,
                moved.Failure)
            {
                Operation = CracOperation.Move,
                ProcessId = id,
                ImagePath = moved.ImagePath,
            };
        }
    }

    private static string Describe(CracMovePlan plan)
    {
        string name = plan.RemoteName.Length > 0 && plan.RemoteName != plan.HostName ? $"{plan.HostName} ({plan.RemoteName})" : plan.HostName;
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"Move {plan.Command} ({plan.ProcessId}) to {name}."));
        foreach (CracFinding finding in plan.Findings)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n{finding}");
        }

        return text.ToString();
    }

    private static bool Run(ScriptBlock script, CracMovePlan plan)
    {
        script.InvokeWithContext(null, [new PSVariable("_", plan)]);
        return true;
    }

    // After Ctrl+C nothing runs in this runspace any more.
    private void RunFallback(CracMovePlan plan)
    {
        if (!StopToken.IsCancellationRequested)
        {
            try
            {
                OnPipeline(() => Run(OnFallback!, plan));
                return;
            }
            catch (PipelineStoppedException)
            {
            }
        }

        using var shell = PowerShell.Create();
        shell.AddScript($"param($plan) $ErrorActionPreference = 'Stop'; ForEach-Object -InputObject $plan -Process {{{OnFallback}}}").AddArgument(plan).Invoke();
    }
}
