using System.Diagnostics;
using System.Management.Automation;
using PSCrac.Checkpointing;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Options;
using PSCrac.Preflight;

namespace PSCrac.Commands;

/// <summary>Test-CracProcess: says beforehand whether a checkpoint will work, with which options, and what will be stale.</summary>
[Cmdlet(VerbsDiagnostic.Test, "CracProcess", DefaultParameterSetName = InputObjectSet)]
[OutputType(typeof(CracFinding), typeof(bool))]
public sealed class TestCracProcessCommand : CracCommand
{
    private const string IdSet = "Id";
    private const string NameSet = "Name";
    private const string InputObjectSet = "InputObject";

    /// <summary>The pids of the trees' roots.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = IdSet)]
    [ValidateRange(1, int.MaxValue)]
    [ArgumentCompleter(typeof(ProcessIdCompleter))]
    public int[] Id { get; set; } = [];

    /// <summary>The names of the trees' roots, with wildcards.</summary>
    [Parameter(Mandatory = true, ParameterSetName = NameSet)]
    [Alias("ProcessName")]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ProcessNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>The trees' roots.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = InputObjectSet)]
    [ValidateNotNull]
    public Process[] InputObject { get; set; } = [];

    /// <summary>Return only true or false: whether there is no blocker.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>Test for a checkpoint that leaves the process running.</summary>
    [Parameter]
    public SwitchParameter LeaveRunning { get; set; }

    /// <summary>Test for a checkpoint that keeps open TCP connections.</summary>
    [Parameter]
    public SwitchParameter TcpEstablished { get; set; }

    /// <summary>Test for a checkpoint that leaves open TCP connections out.</summary>
    [Parameter]
    public SwitchParameter TcpClose { get; set; }

    /// <summary>Test for a checkpoint that chooses no options.</summary>
    [Parameter]
    public SwitchParameter NoAutoOption { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing() => OrEnd(null, () => GivenOptions().RequireConsistent());

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case IdSet:
                TestAll(Id);
                break;
            case NameSet:
                List<int> found = [];
                ForItem(Name, () => found = ProcessNames.Find(Name, (name, unknown) => OnFailure(unknown, name)));
                TestAll(found);
                break;
            default:
                foreach (Process process in InputObject)
                {
                    ForItem(process, () => TestOne(process.Id));
                }

                break;
        }
    }

    private void TestAll(IReadOnlyList<int> ids)
    {
        foreach (int id in ids)
        {
            ForItem(id, () => TestOne(id));
        }
    }

    // For a check in a deployment, a process that does not exist is one that cannot be checkpointed.

    /// <inheritdoc/>
    private protected override void OnFailure(CracException failure, object? target)
    {
        if (Quiet)
        {
            WriteObject(false);
        }
        else
        {
            base.OnFailure(failure, target);
        }
    }

    private void TestOne(int id)
    {
        var options = new PreflightOptions { Checkpoint = GivenOptions(), ChooseOptions = !NoAutoOption };
        IReadOnlyList<CracFinding> findings = CheckpointExamination.Run(id, options, out bool canCheckpoint);
        if (Quiet)
        {
            WriteObject(canCheckpoint);
        }
        else
        {
            WriteObject(findings, enumerateCollection: true);
        }
    }

    private CheckpointOptions GivenOptions() => OptionParameters.Read(new CheckpointOptions(), MyInvocation.BoundParameters, []);
}
