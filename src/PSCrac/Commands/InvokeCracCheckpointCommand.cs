using System.Collections;
using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;
using PSCrac.Checkpointing;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Procfs;

namespace PSCrac.Commands;

/// <summary>Invoke-CracCheckpoint: freezes a process tree into an image.</summary>
[Cmdlet(VerbsLifecycle.Invoke, "CracCheckpoint", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = InputObjectName)]
[Alias("Checkpoint-CracProcess")]
[OutputType(typeof(CracImage))]
public sealed class InvokeCracCheckpointCommand : CracCommand
{
    private const string IdPath = "IdPath";
    private const string IdName = "IdName";
    private const string NamePath = "NamePath";
    private const string NameName = "NameName";
    private const string InputObjectPath = "InputObjectPath";
    private const string InputObjectName = "InputObjectName";

    // The images that this command has made, with the process of each.
    private readonly Dictionary<string, int> _made = new(StringComparer.Ordinal);

    /// <summary>The pids of the trees' roots.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = IdPath)]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = IdName)]
    [ProcessIdText]
    [ValidateRange(1, int.MaxValue)]
    [ArgumentCompleter(typeof(ProcessIdCompleter))]
    public int[] Id { get; set; } = [];

    // A piped process has a property Name, which must not bind.

    /// <summary>The names of the trees' roots, with wildcards.</summary>
    [Parameter(Mandatory = true, ParameterSetName = NamePath)]
    [Parameter(Mandatory = true, ParameterSetName = NameName)]
    [Alias("ProcessName")]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ProcessNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>The trees' roots.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = InputObjectPath)]
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = InputObjectName)]
    [ValidateNotNull]
    public Process[] InputObject { get; set; } = [];

    /// <summary>The directory that the image becomes.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true, ParameterSetName = IdPath)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = NamePath)]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = InputObjectPath)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? ImagePath { get; set; }

    /// <summary>The image's name under the image root.</summary>
    [Parameter(ParameterSetName = IdName)]
    [Parameter(ParameterSetName = NameName)]
    [Parameter(ParameterSetName = InputObjectName)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string? ImageName { get; set; }

    /// <summary>Let the process go on instead of killing it.</summary>
    [Parameter]
    public SwitchParameter LeaveRunning { get; set; }

    /// <summary>Replace an image that is there.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>The process belongs to a terminal's session.</summary>
    [Parameter]
    public SwitchParameter ShellJob { get; set; }

    /// <summary>Keep open TCP connections.</summary>
    [Parameter]
    public SwitchParameter TcpEstablished { get; set; }

    /// <summary>Leave open TCP connections out.</summary>
    [Parameter]
    public SwitchParameter TcpClose { get; set; }

    /// <summary>Keep file locks.</summary>
    [Parameter]
    public SwitchParameter FileLocks { get; set; }

    /// <summary>Give open unlinked files that have other names a helper link.</summary>
    [Parameter]
    public SwitchParameter LinkRemap { get; set; }

    /// <summary>The largest unlinked file to keep inside the image, in bytes.</summary>
    [Parameter]
    [ValidateRange(0, uint.MaxValue)]
    public long GhostLimit { get; set; }

    /// <summary>Leave out unix sockets whose other end is outside the tree.</summary>
    [Parameter]
    public SwitchParameter ExternalUnixSocket { get; set; }

    /// <summary>Start tracking changed pages.</summary>
    [Parameter]
    public SwitchParameter TrackMemory { get; set; }

    /// <summary>The image on top of which only changed pages are written.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string? ParentImage { get; set; }

    /// <summary>How long the tree may take to freeze, in seconds.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int FreezeTimeout { get; set; }

    /// <summary>How long to wait for the killed tree's pids to become free, in seconds; 0 not to wait.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int PidTimeout { get; set; } = 10;

    /// <summary>Leave writing the image through to the disk to the kernel.</summary>
    [Parameter]
    public SwitchParameter NoSync { get; set; }

    /// <summary>Which way it goes: the JVM's own or criu's.</summary>
    [Parameter]
    public CracEngineChoice Engine { get; set; }

    /// <summary>Look at nothing and choose nothing: only what is given here is used.</summary>
    [Parameter]
    public SwitchParameter NoAutoOption { get; set; }

    /// <summary>Have a JVM collect its garbage first.</summary>
    [Parameter]
    public SwitchParameter CollectGarbage { get; set; }

    /// <summary>Other options of criu by their long names.</summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable CriuOption { get; set; } = [];

    /// <summary>The criu program to use.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CriuPath { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing() => OrEnd(null, () =>
    {
        Options().RequireConsistent();
        if (ImageName is not null)
        {
            _ = ImageRoot.PathOf(ImageName);
        }
    });

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case IdPath or IdName:
                CheckpointAll(Id, static id => id);
                break;
            case NamePath or NameName:
                List<int> found = [];
                ForItem(Name, () => found = ProcessNames.Find(Name, (name, unknown) => OnFailure(unknown, name)));
                CheckpointAll(found, static id => id);
                break;
            default:
                CheckpointAll(InputObject, static process => process.Id);
                break;
        }
    }

    private void CheckpointAll<T>(IReadOnlyList<T> processes, Func<T, int> idOf)
    {
        OrEnd(ImagePath ?? ImageName, () => RequireOneTargetEach(processes.Count));
        foreach (T process in processes)
        {
            ForItem(process, () => CheckpointOne(idOf(process)));
        }
    }

    private void RequireOneTargetEach(int count)
    {
        if (count > 1 && (ImagePath ?? ImageName) is { } target)
        {
            string parameter = ImagePath is not null ? nameof(ImagePath) : nameof(ImageName);
            throw new CracException(
                CracReason.OptionRefused,
                $"-{parameter} {target} is one image, and these are {count} processes.",
                $"Leave out -{parameter}, and each process gets an image named after it; or name one process with -Id.");
        }
    }

    private void CheckpointOne(int id)
    {
        ProcessCommandLine command = ProcessCommandLine.Read(id);
        string target = ImagePath is not null
            ? ResolveLiteral(ImagePath)
            : ImageRoot.PathOf(ImageName ?? Images.Operations.ImageName.ForProcess(command.CommandName, id));
        string fate = LeaveRunning ? "the process goes on" : "the process is killed";
        if (!ShouldProcess($"{command.CommandName} ({id})", $"Checkpoint to {target}; {fate}"))
        {
            return;
        }

        RequireOwnTarget(id, target);
        CheckpointRequest request = new()
        {
            ProcessId = id,
            ImagePath = target,
            Options = Options(),
            ChooseOptions = !NoAutoOption,
            Force = Force,
            NoSync = NoSync,
            PidTimeout = TimeSpan.FromSeconds(PidTimeout),
            CriuPath = CriuPath is null ? null : ResolveLiteral(CriuPath),
        };
        JvmProcess? jvm = JvmCheckpoint.Select(Engine, id);
        CheckpointResult result = RunOperation(
            $"Checkpointing {command.CommandName} ({id})",
            (progress, stopping) =>
            {
                if (CollectGarbage)
                {
                    JvmHeap.Collect(id, stopping);
                }

                return jvm is null ? Checkpoint.Run(request, progress, stopping) : JvmCheckpoint.Run(jvm, request, progress, cancellation: stopping);
            });
        _made[result.Image.Path] = id;
        Tell(result);
        WriteObject(result.Image);
    }

    // With -Force a second process would replace the first one's image, and that process may be gone by then.
    private void RequireOwnTarget(int id, string target)
    {
        if (_made.TryGetValue(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(target)), out int other))
        {
            throw new CracException(
                CracReason.ImageExists,
                $"The image {target} was made of process {other} just now, and process {id} would replace it.",
                "Give each process a path of its own: Get-Process … | Invoke-CracCheckpoint -ImagePath { \"./cr/$($_.Id)\" }.")
            {
                Operation = "checkpoint",
                ProcessId = id,
                ImagePath = target,
            };
        }
    }

    private CheckpointOptions Options() => new()
    {
        LeaveRunning = LeaveRunning,
        ShellJob = Said(ShellJob, nameof(ShellJob)),
        TcpEstablished = Said(TcpEstablished, nameof(TcpEstablished)),
        TcpClose = Said(TcpClose, nameof(TcpClose)),
        FileLocks = Said(FileLocks, nameof(FileLocks)),
        LinkRemap = Said(LinkRemap, nameof(LinkRemap)),
        ExternalUnixSocket = Said(ExternalUnixSocket, nameof(ExternalUnixSocket)),
        GhostLimit = MyInvocation.BoundParameters.ContainsKey(nameof(GhostLimit)) ? GhostLimit : null,
        TrackMemory = TrackMemory,
        ParentImage = ParentImage is null ? null : FindImage(ParentImage),
        FreezeTimeout = FreezeTimeout > 0 ? TimeSpan.FromSeconds(FreezeTimeout) : null,
        CriuOption = CriuOptionTable.From(CriuOption),
    };

    private void Tell(CheckpointResult result)
    {
        foreach (ImageManifestChoice choice in result.Choices)
        {
            WriteVerbose($"Chose {choice.Option}{(choice.Value is null ? string.Empty : "=" + choice.Value)} for {choice.Reason}.");
        }

        foreach (string file in result.ConfigurationFiles)
        {
            WriteVerbose($"criu also read its configuration file {file}.");
        }

        if (result.Image.Statistics is { } statistics)
        {
            WriteVerbose(string.Create(
                CultureInfo.CurrentCulture,
                $"Frozen for {statistics.FrozenTime.TotalMilliseconds:0} ms, {statistics.PagesWritten} pages written, options: {string.Join(", ", result.Image.Options.Keys.DefaultIfEmpty("none"))}."));
        }

        if (result.LingeringProcessIds.Count > 0)
        {
            WriteWarning(
                $"The checkpoint is made and its processes have ended, but the ids {string.Join(", ", result.LingeringProcessIds)} are not free yet: their parents have not reaped them, or their process groups are still there. A restore waits for them, up to its own -PidTimeout.");
        }
    }
}
