using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Operations;

namespace PSCrac.Commands;

/// <summary>Compare-CracImage: the differences between two images.</summary>
[Cmdlet(VerbsData.Compare, "CracImage")]
[OutputType(typeof(CracImageDifference))]
public sealed class CompareCracImageCommand : ImageReadingCommand
{
    /// <inheritdoc/>
    private protected override bool TakesAllOfService => false;

    /// <summary>The earlier image, or its path or name.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public object ReferenceImage { get; set; } = string.Empty;

    /// <summary>The later image, or its path or name.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipeline = true)]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public object DifferenceImage { get; set; } = string.Empty;

    /// <summary>Leave the content of memory out, which takes the longest to compare.</summary>
    [Parameter]
    public SwitchParameter NoPages { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => ForItem(DifferenceImage, () =>
    {
        if (ToImage(ReferenceImage) is { } before && ToImage(DifferenceImage) is { } after)
        {
            WriteStream(
                $"Comparing {before.Name} and {after.Name}",
                stopping => ImageComparison.Compare(before, after, !NoPages, stopping),
                static () => "Comparing memory");
        }
    });

    private CracImage? ToImage(object given)
    {
        object plain = given is PSObject wrapped ? wrapped.BaseObject : given;
        return plain switch
        {
            CracImage image => image,
            FileSystemInfo info => Open(info.FullName),
            _ => OpenLiteralPaths([LanguagePrimitives.ConvertTo<string>(plain)]).FirstOrDefault(),
        };
    }
}
