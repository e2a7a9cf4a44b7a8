using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.CoreDumps;

namespace PSCrac.Commands;

/// <summary>Export-CracCoreDump: makes cores of the processes of images, for debuggers.</summary>
[Cmdlet(VerbsData.Export, "CracCoreDump", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracCoreDump))]
public sealed class ExportCracCoreDumpCommand : ImageInputCommand
{
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);

    /// <summary>The core, or a folder, in which each core gets the name of its image and process.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string DestinationPath { get; set; } = string.Empty;

    /// <summary>The processes' pids in the image; all where it is left out.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    [ArgumentCompleter(typeof(ImageProcessCompleter))]
    public int[] ProcessId { get; set; } = [];

    /// <summary>How much of mapped files is in the core.</summary>
    [Parameter]
    public CracIncludeFile IncludeFile { get; set; }

    /// <summary>Keep the registers of threads in a system call as the image has them.</summary>
    [Parameter]
    public SwitchParameter KeepRegister { get; set; }

    /// <summary>Whether the core is compressed.</summary>
    [Parameter]
    public CracArchiveCompression Compression { get; set; } = CracArchiveCompression.None;

    /// <summary>Leave out what the image lacks.</summary>
    [Parameter]
    public SwitchParameter AllowIncomplete { get; set; }

    /// <summary>Replace a file that is there.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    private protected override bool TakesAllOfService => false;

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        string given = ResolveLiteral(DestinationPath);
        bool isFolder = CoreDumpTargets.IsFolder(DestinationPath) || CoreDumpTargets.IsFolder(given);
        IReadOnlyList<CracImageProcess> processes = CoreDumpTargets.Select(image, ProcessId);
        if (processes.Count > 1 && !isFolder)
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"{image.Path} has {processes.Count} processes, whose cores cannot be one file.",
                $"Give -DestinationPath a folder, {given}/, or choose one with -ProcessId: {string.Join(", ", processes.Take(10).Select(static process => process.ToString()))}{(processes.Count > 10 ? ", …" : "")}.");
        }

        var targets = new List<(CracImageProcess Process, string Path)>();
        foreach (CracImageProcess process in processes)
        {
            string target = isFolder ? System.IO.Path.Combine(given, CoreDumpTargets.FileNameFor(image, process.ProcessId, Compression)) : given;
            if (ShouldProcess($"process {process} of {image.Path}", $"Write a core to {target}"))
            {
                targets.Add((process, target));
            }
        }

        if (targets.Count > 0)
        {
            Export(image, targets, isFolder ? given : null);
        }
    }

    private void Export(CracImage image, List<(CracImageProcess Process, string Path)> targets, string? folder)
    {
        if (folder is not null)
        {
            CoreDumpTargets.MakeFolder(folder);
        }

        using ReadableImage readable = RunOperation($"Opening {image.Name}", (progress, stopping) => ReadableImage.Open(image, progress, stopping));
        foreach ((CracImageProcess process, string path) in targets)
        {
            ForItem(process, () => Export(readable.Image.GetProcess(process.ProcessId), path));
        }
    }

    private void Export(CracImageProcess process, string path)
    {
        if (!_written.Add(path))
        {
            throw new CracException(
                CracReason.ImageExists, $"{path} was written just now, and the core of process {process} would replace it.", "Give -DestinationPath a folder, in which each core gets the name of its image and process.");
        }

        var request = new CoreDumpRequest
        {
            Process = process,
            DestinationPath = path,
            IncludeFile = IncludeFile,
            KeepRegister = KeepRegister,
            Compression = Compression,
            AllowIncomplete = AllowIncomplete,
            Force = Force,
        };
        CracCoreDump core = RunOperation($"Writing the core of {process}", (progress, stopping) => CoreDumpExport.Run(request, progress, stopping));
        WriteVerbose($"The core has {core.ThreadCount} threads; {core.RestoredCallCount} were in a system call that the freeze interrupted, and are shown in it. Of mapped files it has: {core.IncludeFile}.");
        if (core.IsIncomplete)
        {
            IEnumerable<CracCoreDumpOmission> gaps = core.LeftOut.Where(static each => each.Reason is CracOmissionReason.ImageCut or CracOmissionReason.Lazy or CracOmissionReason.MissingInParent);
            WriteWarning($"{path} is incomplete, since the image lacks: {string.Join("; ", gaps)}.");
        }

        WriteObject(core);
    }
}
