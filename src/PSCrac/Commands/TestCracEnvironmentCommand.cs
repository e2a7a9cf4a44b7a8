using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Criu;

namespace PSCrac.Commands;

/// <summary>Test-CracEnvironment: what CRIU can do on this machine, and how to enable the rest.</summary>
[Cmdlet(VerbsDiagnostic.Test, "CracEnvironment")]
[OutputType(typeof(CracCapability), typeof(bool))]
public sealed class TestCracEnvironmentCommand : CracCommand
{
    /// <summary>Return only true or false: whether all that is required is available.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>The criu program to test.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CriuPath { get; set; }

    /// <inheritdoc/>
    protected override void EndProcessing() => OrEnd(CriuPath, Examine);

    private void Examine()
    {
        string? criuPath = CriuPath is null ? null : ResolveLiteral(CriuPath);
        IReadOnlyList<CracCapability> rows = RunOperation("Asking criu", (_, stopping) => CriuEnvironment.Examine(criuPath, stopping));
        if (Quiet)
        {
            WriteObject(rows.All(static row => row.IsAvailable || !row.IsRequired));
        }
        else
        {
            WriteObject(rows, enumerateCollection: true);
        }
    }
}
