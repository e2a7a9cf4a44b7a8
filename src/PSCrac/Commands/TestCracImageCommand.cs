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
public sealed class TestCracImageCommand : ImageInputCommand
{
    /// <summary>Only say whether nothing stands in the way.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>Read all of the image's files but its pages, and check that they fit together.</summary>
    [Parameter]
    public SwitchParameter Full { get; set; }

    /// <summary>Whose process ids the tree would get; where not given, a new namespace's for a tree that was in one of its own.</summary>
    [Parameter]
    public CracPidNamespace PidNamespace { get; set; }

    /// <summary>Whether a restore with -LazyPages will work.</summary>
    [Parameter]
    public SwitchParameter LazyPages { get; set; }

    /// <summary>Leave out of account whom the image belongs to.</summary>
    [Parameter]
    public SwitchParameter SkipTrustCheck { get; set; }

    /// <summary>How long the restore would wait for process ids that are on their way out, in seconds. This cmdlet does not wait.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int PidTimeout { get; set; } = 10;

    /// <summary>The criu program that would restore it.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CriuPath { get; set; }

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        var request = new RestoreRequest
        {
            Image = image,
            PidNamespace = Given(PidNamespace, nameof(PidNamespace)),
            Options = new() { LazyPages = LazyPages },
            SkipTrustCheck = SkipTrustCheck,
            PidTimeout = TimeSpan.FromSeconds(PidTimeout),
            CriuPath = CriuPath is null ? null : ResolveLiteral(CriuPath),
        };
        ImagePreflight preflight = RestorePreflight.Examine(request, Full);
        if (Quiet)
        {
            WriteObject(preflight.CanRestore);
        }
        else
        {
            WriteObject(preflight.Findings, enumerateCollection: true);
        }
    }

    // To a check in a deployment, an image that is not there or cannot be read is one that will not restore.

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
