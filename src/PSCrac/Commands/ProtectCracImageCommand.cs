using System.Management.Automation;
using PSCrac.Archives;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Stores;

namespace PSCrac.Commands;

/// <summary>Protect-CracImage: signs images with an SSH key.</summary>
[Cmdlet(VerbsSecurity.Protect, "CracImage", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracImage))]
public sealed class ProtectCracImageCommand : ImageInputCommand
{
    /// <summary>The path of a private SSH key, or of a public key whose private one an agent has.</summary>
    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string SigningKey { get; set; } = string.Empty;

    /// <inheritdoc/>
    private protected override bool TakeStored(StoreName name) => throw new CracException(
        CracReason.OptionRefused, $"{name} is in a store, and is signed before it is exported.", "Import it with Import-CracImage, sign the image, and export it again.");

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        string key = ResolveLiteral(SigningKey);
        if (ShouldProcess(image.Path, $"Sign with {key}"))
        {
            WriteObject(ImageSigning.Sign(image, key, StopToken));
        }
    }
}
