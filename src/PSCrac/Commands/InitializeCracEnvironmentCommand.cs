using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Criu;

namespace PSCrac.Commands;

/// <summary>Initialize-CracEnvironment: repairs what can be repaired safely on this machine.</summary>
[Cmdlet(VerbsData.Initialize, "CracEnvironment", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(CracCapability))]
public sealed class InitializeCracEnvironmentCommand : CracCommand
{
    /// <summary>The criu program whose feature cache is made.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CriuPath { get; set; }

    /// <inheritdoc/>
    protected override void EndProcessing() => OrEnd(CriuPath, Initialize);

    private void Initialize()
    {
        if (!ShouldProcess("/run/criu.kdat", "Have criu make its feature cache"))
        {
            return;
        }

        string? criuPath = CriuPath is null ? null : ResolveLiteral(CriuPath);
        bool made = RunOperation("Asking criu", (_, stopping) => CriuFeatureCache.Create(criuPath, stopping));
        WriteVerbose(made ? "criu has made its feature cache." : "Nothing is to be done: criu keeps its feature cache by itself.");
        WriteObject(CriuEnvironment.DescribeCache());
    }
}
