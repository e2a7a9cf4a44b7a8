using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Moving;

namespace PSCrac.Commands;

/// <summary>Get-CracProcess: what PSCrac has restored or started, in any session, and still runs.</summary>
[Cmdlet(VerbsCommon.Get, "CracProcess", DefaultParameterSetName = ServiceSet)]
[OutputType(typeof(CracRunningProcess))]
public sealed class GetCracProcessCommand : CracCommand
{
    private const string ServiceSet = "ServiceName";
    private const string IdSet = "Id";

    /// <summary>The names of services, with wildcards.</summary>
    [Parameter(Position = 0, ParameterSetName = ServiceSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ServiceNameCompleter))]
    public string[] ServiceName { get; set; } = [];

    /// <summary>Process ids.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = IdSet)]
    [ValidateRange(1, int.MaxValue)]
    public int[] Id { get; set; } = [];

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        foreach (MoveFarRecord record in MoveRecords.TakeLost())
        {
            WriteWarning($"{record.Command} came from another host, and the session that received it was killed on {record.Since.LocalDateTime:g} when it let it run. If it is not listed it does not run here: the other host still has its image.");
        }
    }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        IReadOnlyList<CracRunningProcess> running = CracRunningProcess.ReadAll();
        if (ParameterSetName == IdSet)
        {
            foreach (int id in Id)
            {
                ForItem(id, () => WriteObject(running.FirstOrDefault(process => process.Id == id) ?? throw new CracException(
                    CracReason.ProcessNotFound,
                    $"PSCrac has neither restored nor started a process {id} that still runs.",
                    "Get-CracProcess without -Id lists those that it has.")
                { ProcessId = id }));
            }

            return;
        }

        WildcardPattern[] wanted = Array.ConvertAll(ServiceName, static name => WildcardPattern.Get(name, WildcardOptions.None));
        foreach (CracRunningProcess process in running)
        {
            if (wanted.Length == 0 || (process.ServiceName is { } service && Array.Exists(wanted, each => each.IsMatch(service))))
            {
                WriteObject(process);
            }
        }
    }
}
