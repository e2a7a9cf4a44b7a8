using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Formatting;
using PSCrac.Images.Operations;
using PSCrac.Starting;

namespace PSCrac.Commands;

/// <summary>Measure-CracStartup: measures cold starts and restores of a program, in turn.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "CracStartup", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = NewImageSet)]
[OutputType(typeof(CracStartupMeasurement))]
public sealed class MeasureCracStartupCommand : StartingCommand
{
    private const string NewImageSet = "NewImage";
    private const string ImagePathSet = "ImagePath";
    private const string ImageNameSet = "ImageName";

    /// <summary>The image to restore.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ImagePathSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? ImagePath { get; set; }

    /// <summary>The name, under the image root, of the image to restore.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ImageNameSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string? ImageName { get; set; }

    /// <summary>Measure the image although the command line or the files differ.</summary>
    [Parameter(ParameterSetName = ImageNameSet)]
    [Parameter(ParameterSetName = ImagePathSet)]
    public SwitchParameter IgnoreChange { get; set; }

    /// <summary>How many starts and how many restores are measured.</summary>
    [Parameter]
    [ValidateRange(1, 10_000)]
    public int Count { get; set; } = 5;

    /// <summary>The SVG file to which the samples are plotted.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? Plot { get; set; }

    /// <inheritdoc/>
    protected override void EndProcessing() => OrEnd(FilePath, Measure);

    private void Measure()
    {
        if (!ShouldProcess(CommandLine, $"Start and restore it {Count + 1} times each, and end it each time"))
        {
            return;
        }

        StartRequest request = Request() with
        {
            ImagePath = ImageName is not null ? ImageRoot.Find(ImageName) ?? ImageRoot.PathOf(ImageName) : ResolveOptional(ImagePath),
            IgnoreChange = IgnoreChange,
        };
        string? plot = ResolveOptional(Plot);
        CracStartupMeasurement measurement = RunOperation(
            $"Measuring {FilePath}", (_, stopping) => MeasureOperation.Run(request, Count, ShowRound, OnStarted, stopping));
        if (plot is not null)
        {
            File.WriteAllText(plot, StartupPlot.Draw(measurement));
        }

        WriteObject(measurement);
    }

    private void ShowRound(int round) => OnPipeline<object?>(() =>
    {
        WriteProgress(new ProgressRecord(0, TerminalText.Escape($"Measuring {FilePath}"), round == 0 ? "A round that is not counted" : $"Round {round} of {Count}")
        {
            PercentComplete = 100 * round / (Count + 1),
        });
        return null;
    });
}
