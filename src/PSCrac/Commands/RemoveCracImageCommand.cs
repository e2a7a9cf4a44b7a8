using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Images.Operations;

namespace PSCrac.Commands;

/// <summary>Remove-CracImage: removes images, and nothing that is not one.</summary>
[Cmdlet(VerbsCommon.Remove, "CracImage", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(void))]
public sealed class RemoveCracImageCommand : ImageInputCommand
{
    /// <summary>Remove an image although it is the parent of other images.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
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
