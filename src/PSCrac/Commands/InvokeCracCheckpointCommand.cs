using System.Diagnostics;
using System.Management.Automation;
using PSCrac.Checkpointing;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Operations;
using PSCrac.Options;
using PSCrac.Procfs;

namespace PSCrac.Commands;

/// <summary>Invoke-CracCheckpoint: freezes a process tree into an image.</summary>
[Cmdlet(VerbsLifecycle.Invoke, "CracCheckpoint", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = InputObjectName)]
[Alias("Checkpoint-CracProcess")]
[OutputType(typeof(CracImage))]
public sealed class InvokeCracCheckpointCommand : CheckpointingCommand
{
    private const string IdPath = "IdPath";
    private const string IdName = "IdName";
    private const string NamePath = "NamePath";
    private const string NameName = "NameName";
    private const string InputObjectPath = "InputObjectPath";
    private const string InputObjectName = "InputObjectName";

    // The images that this command has made, each with its process.
    private readonly Dictionary<string, int> _made = new(StringComparer.Ordinal);

    /// <summary>The pids of the trees' roots.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = IdPath)]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = IdName)]
    [ProcessIdText]
    [ValidateRange(1, int.MaxValue)]
    [ArgumentCompleter(typeof(ProcessIdCompleter))]
    public int[] Id { get; set; } = [];

    // A piped process has a property Name, which must not bind to this.

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

    /// <inheritdoc/>
    protected override void BeginProcessing() => OrEnd(null, () =>
    {
        GivenOptions().RequireConsistent();
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
        CheckpointRequest request = Request(id, target);
        CheckpointResult result = RunOperation(
            $"Checkpointing {command.CommandName} ({id})", (progress, stopping) => Checkpoint.Run(request, progress, stopping));
        _made[result.Image.Path] = id;
        this.WriteSummary(result);
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
                Operation = CracOperation.Checkpoint,
                ProcessId = id,
                ImagePath = target,
            };
        }
    }
}
