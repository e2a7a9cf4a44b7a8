using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;

namespace PSCrac.Commands;

/// <summary>Get-CracImageMemory: bytes of a process's memory, as they were at the checkpoint.</summary>
[Cmdlet(VerbsCommon.Get, "CracImageMemory", DefaultParameterSetName = PathSet)]
[OutputType(typeof(byte[]))]
public sealed class GetCracImageMemoryCommand : ImageInputCommand
{
    private const string MatchSet = "Match";

    /// <summary>The process's pid in the image; the root's where it is left out.</summary>
    [Parameter(ParameterSetName = PathSet)]
    [Parameter(ParameterSetName = LiteralPathSet)]
    [Parameter(ParameterSetName = InputObjectSet)]
    [ValidateRange(1, int.MaxValue)]
    [ArgumentCompleter(typeof(ImageProcessCompleter))]
    public int? ProcessId { get; set; }

    /// <summary>The first byte's address.</summary>
    [Parameter(Mandatory = true, ParameterSetName = PathSet)]
    [Parameter(Mandatory = true, ParameterSetName = LiteralPathSet)]
    [Parameter(Mandatory = true, ParameterSetName = InputObjectSet)]
    public ulong Address { get; set; }

    /// <summary>How many bytes.</summary>
    [Parameter]
    [ValidateRange(1, 0x7FFFFFC7)]
    public int Length { get; set; } = 256;

    /// <summary>Matches of Search-CracImage, to read from where they begin.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = MatchSet)]
    [ValidateNotNull]
    public CracMemoryMatch? Match { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (Match is { } match)
        {
            ForItem(match, () => WriteObject(match.ReadMemory(Length), enumerateCollection: false));
        }
        else
        {
            base.ProcessRecord();
        }
    }

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image) =>
        WriteObject(image.GetProcess(ProcessId).ReadMemory(Address, Length), enumerateCollection: false);
}
