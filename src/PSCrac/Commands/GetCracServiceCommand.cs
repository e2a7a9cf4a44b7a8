using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.PidNamespaces;
using PSCrac.Starting.Services;

namespace PSCrac.Commands;

/// <summary>Get-CracService: the services that are described, each with its images and its process.</summary>
[Cmdlet(VerbsCommon.Get, "CracService")]
[OutputType(typeof(CracService))]
public sealed class GetCracServiceCommand : CracCommand
{
    /// <summary>The names of services, with wildcards.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ServiceNameCompleter))]
    public string[] Name { get; set; } = ["*"];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var services = new ServiceListing(TryLocateStart());
        foreach (string name in ServiceNames.Find(Name))
        {
            ForItem(name, () => WriteObject(services.Read(name)));
        }
    }

    private static IReadOnlyList<string>? TryLocateStart()
    {
        try
        {
            return NamespaceInitHost.LocateStart();
        }
        catch (CracException)
        {
            return null;
        }
    }
}
