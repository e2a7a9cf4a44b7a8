using System.Management.Automation;
using PSCrac.Completion;

namespace PSCrac.Commands;

/// <summary>A cmdlet that does one thing to each image it is given, by path, by literal path or by value.</summary>
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
    public string[] LiteralPath { get; set; } = [];

    /// <summary>Images.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = InputObjectSet)]
    [ValidateNotNull]
    public CracImage[] InputObject { get; set; } = [];

    /// <inheritdoc/>
    protected sealed override void ProcessRecord()
    {
        IEnumerable<CracImage> images = ParameterSetName switch
        {
            PathSet => OpenPaths(Path),
            LiteralPathSet => OpenLiteralPaths(LiteralPath),
            _ => InputObject,
        };
        foreach (CracImage image in images)
        {
            ForItem(image, () => ProcessImage(image));
        }
    }

    /// <summary>Does the cmdlet's work for one image.</summary>
    private protected abstract void ProcessImage(CracImage image);
}
