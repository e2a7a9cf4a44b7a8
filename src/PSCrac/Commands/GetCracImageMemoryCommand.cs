using System.Globalization;
using System.Management.Automation;
using PSCrac.Completion;

namespace PSCrac.Commands;

/// <summary>Get-CracImageMemory: bytes of a process's memory, as they were at the checkpoint.</summary>
[Cmdlet(VerbsCommon.Get, "CracImageMemory", DefaultParameterSetName = PathSet)]
[OutputType(typeof(byte[]))]
public sealed class GetCracImageMemoryCommand : ImageInputCommand
{
    /// <summary>The process's pid in the image; the root's where it is left out.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    [ArgumentCompleter(typeof(ImageProcessCompleter))]
    public int ProcessId { get; set; }

    /// <summary>The first byte's address.</summary>
    [Parameter(Mandatory = true)]
    public ulong Address { get; set; }

    /// <summary>How many bytes.</summary>
    [Parameter]
    [ValidateRange(1, 0x7FFFFFC7)]
    public int Length { get; set; } = 256;

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        int id = ProcessId == 0 ? image.RootProcessId : ProcessId;
        CracImageProcess process = image.FindProcess(id) ?? throw new CracException(
            CracReason.ProcessNotFound,
            string.Create(CultureInfo.InvariantCulture, $"The image {image.Path} has no process {id}."),
            $"It has: {string.Join(", ", image.ProcessIds)}.")
        {
            ProcessId = id,
            ImagePath = image.Path,
        };
        WriteObject(process.ReadMemory(Address, Length), enumerateCollection: false);
    }
}
