using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Model;
using PSCrac.Images.Operations;

namespace PSCrac.Commands;

/// <summary>Get-CracImage: images as objects.</summary>
[Cmdlet(VerbsCommon.Get, "CracImage", DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracImage))]
public sealed class GetCracImageCommand : ImageReadingCommand
{
    /// <summary>Paths, with wildcards, or names under the image root.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string[]? Path { get; set; }

    /// <summary>Paths taken as they are.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = LiteralPathSet)]
    [Alias("PSPath")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string[] LiteralPath { get; set; } = [];

    /// <inheritdoc/>
    private protected override bool MayFindNothing => true;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        IEnumerable<CracImage> images = ParameterSetName == LiteralPathSet ? OpenLiteralPaths(LiteralPath)
            : Path is not null ? OpenPaths(Path)
            : OpenRoot();
        foreach (CracImage image in images)
        {
            WriteObject(image);
        }
    }

    private IEnumerable<CracImage> OpenRoot()
    {
        IReadOnlyList<string> found = [];
        ForItem(ImageRoot.Path, () => found = [.. ImageRoot.EnumerateImages(), .. ImageRoot.EnumerateSeries().SelectMany(ImageSeries.Find)]);
        foreach (string each in found)
        {
            if (Open(each) is { } image)
            {
                yield return image;
            }
        }
    }
}
