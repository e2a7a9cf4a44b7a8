using System.Management.Automation;
using PSCrac.Completion;

namespace PSCrac.Commands.Common;

/// <summary>A cmdlet that processes each image it is given, by path, by literal path or by value.</summary>
public abstract class ImageInputCommand : ImageReadingCommand
{
    /// <summary>Paths, with wildcards, or names under the image root.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public virtual string[] Path { get; set; } = [];

    /// <summary>Paths taken as they are.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = LiteralPathSet)]
    [Alias("PSPath")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public virtual string[] LiteralPath { get; set; } = [];

    /// <summary>Images.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = InputObjectSet)]
    [ValidateNotNull]
    public virtual CracImage[] InputObject { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        // Only one of these is set: parameter sets exclude one another, and pipeline binding is reset for each item.
        IEnumerable<CracImage> images = Path.Length > 0 ? OpenPaths(Path)
            : LiteralPath.Length > 0 ? OpenLiteralPaths(LiteralPath)
            : InputObject;
        foreach (CracImage image in images)
        {
            ForItem(image, () => ProcessImage(image));
        }
    }

    /// <summary>Processes one image.</summary>
    private protected abstract void ProcessImage(CracImage image);
}
