using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Starting.Services;

namespace PSCrac.Commands;

/// <summary>Unregister-CracService: removes the description and the unit of a service, and its images if asked to.</summary>
[Cmdlet(VerbsLifecycle.Unregister, "CracService", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(void))]
public sealed class UnregisterCracServiceCommand : CracCommand
{
    /// <summary>The names of services, with wildcards.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ServiceNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>Remove its images too.</summary>
    [Parameter]
    public SwitchParameter RemoveImage { get; set; }

    /// <summary>The folder that its unit was written to.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? UnitDirectory { get; set; }

    /// <summary>Remove a service that runs.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (string name in ServiceNames.Find(Name))
        {
            ForItem(name, () => Unregister(name));
        }
    }

    private void Unregister(string name)
    {
        ServiceRegistration.RequireRemovable(name, Force);
        if (!ShouldProcess(name, RemoveImage ? "Unregister service and remove its images" : "Unregister service"))
        {
            return;
        }

        foreach (string warning in ServiceRegistration.Remove(name, ResolveOptional(UnitDirectory), RemoveImage))
        {
            WriteWarning(warning);
        }
    }
}
