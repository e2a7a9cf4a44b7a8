using System.Management.Automation;
using PSCrac.Images;

namespace PSCrac.Commands;

/// <summary>Remove-CracImage: removes images, and nothing that is not one.</summary>
[Cmdlet(VerbsCommon.Remove, "CracImage", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(void))]
public sealed class RemoveCracImageCommand : ImageReadingCommand
{
    /// <summary>Paths, with wildcards, or names under the image root.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Path { get; set; } = [];

    /// <summary>Paths taken as they are.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = LiteralPathSet)]
    [Alias("PSPath")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>Images.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = InputObjectSet)]
    [ValidateNotNull]
    public CracImage[] InputObject { get; set; } = [];

    /// <summary>Remove an image although others build on it.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        IEnumerable<CracImage> images = ParameterSetName switch
        {
            PathSet => OpenPaths(Path),
            LiteralPathSet => OpenLiteralPaths(LiteralPath),
            _ => InputObject,
        };
        foreach (CracImage image in images)
        {
            ForItem(image, () => RemoveOne(image));
        }
    }

    private void RemoveOne(CracImage image)
    {
        if (!ShouldProcess(image.Path, "Remove image"))
        {
            return;
        }

        IReadOnlyList<string> left = ImageRemoval.Remove(image, Force);
        if (left.Count > 0)
        {
            WriteWarning($"{image.Path} was not only an image: {string.Join(", ", left)} {(left.Count == 1 ? "was" : "were")} left there.");
        }
    }
}
