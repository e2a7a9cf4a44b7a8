using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Restoring;

namespace PSCrac.Commands;

/// <summary>Test-CracImage: says whether a restore will work, here and now.</summary>
[Cmdlet(VerbsDiagnostic.Test, "CracImage", DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracFinding), typeof(bool))]
public sealed class TestCracImageCommand : RestoreTestingCommand
{
    /// <summary>Return only true or false: whether there is no blocker.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>Read all of the image's files but its pages, and check that they fit together.</summary>
    [Parameter]
    public SwitchParameter Full { get; set; }

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        ImagePreflight preflight = RestorePreflight.Examine(Request(image), Full, StopToken);
        if (Quiet)
        {
            WriteObject(preflight.CanRestore);
        }
        else
        {
            WriteObject(preflight.Findings, enumerateCollection: true);
        }
    }

    // For a check in a deployment, an image that is missing or unreadable is one that cannot be restored.

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
}
