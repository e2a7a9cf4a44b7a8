using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Operations;

namespace PSCrac.Commands;

/// <summary>Get-CracImageContent: the decoded entries of an image's files.</summary>
[Cmdlet(VerbsCommon.Get, "CracImageContent", DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracImageEntry), typeof(byte[]))]
public sealed class GetCracImageContentCommand : ImageInputCommand
{
    /// <summary>Types of files, or names of files with wildcards.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageTypeCompleter))]
    public string[] Type { get; set; } = [];

    /// <summary>Return each entry's protobuf bytes as they are in the file.</summary>
    [Parameter]
    public SwitchParameter Raw { get; set; }

    /// <summary>Leave out what follows an entry's message, such as the bytes in a pipe.</summary>
    [Parameter]
    public SwitchParameter NoPayload { get; set; }

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        var reader = NoPayload ? new ImageContentReader(image, payloadLimit: 0, StopToken) : new ImageContentReader(image, cancellation: StopToken);
        foreach (CracImageEntry entry in reader.Read(Type))
        {
            WriteObject(Raw ? entry.GetRawBytes() : entry, enumerateCollection: false);
        }
    }
}
