using System.Management.Automation;
using PSCrac.Archives;
using PSCrac.Commands.Common;
using PSCrac.Completion;

namespace PSCrac.Commands;

/// <summary>Export-CracImage: writes images to archives, a file each.</summary>
[Cmdlet(VerbsData.Export, "CracImage", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(FileInfo))]
public sealed class ExportCracImageCommand : ImageInputCommand
{
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);
    private AgeRecipients? _recipients;

    /// <summary>The archive, or an existing folder, in which the archive gets the image's name.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string DestinationPath { get; set; } = string.Empty;

    /// <summary>How the archive is compressed.</summary>
    [Parameter]
    public CracArchiveCompression Compression { get; set; }

    /// <summary>zstd's level.</summary>
    [Parameter]
    [ValidateRange(1, ZstandardWriter.MaximumLevel)]
    public int CompressionLevel { get; set; } = ZstandardWriter.DefaultLevel;

    /// <summary>Who can decrypt the archive: public keys, and files of them.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string[] Recipient { get; set; } = [];

    /// <summary>Replace a file that is there.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    private protected override bool TakesAllOfService => false;

    /// <inheritdoc/>
    protected override void BeginProcessing() => OrEnd(null, () =>
    {
        if (Compression == CracArchiveCompression.None && MyInvocation.BoundParameters.ContainsKey(nameof(CompressionLevel)))
        {
            throw new CracException(CracReason.OptionRefused, "-CompressionLevel is of zstd, and -Compression None uses none.", "Leave one of them out.");
        }

        _recipients = Recipient.Length == 0 ? null : AgeRecipients.Read(Recipient, ResolveLiteral);
    });

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        string given = ResolveLiteral(DestinationPath);
        string target = Directory.Exists(given) ? System.IO.Path.Combine(given, ImageExport.FileNameFor(image, Compression, _recipients is not null)) : given;
        if (!ShouldProcess(image.Path, $"Export to {target}"))
        {
            return;
        }

        if (!_written.Add(target))
        {
            throw new CracException(
                CracReason.ImageExists, $"{target} was written just now, and the archive of {image.Path} would replace it.", "Give -DestinationPath an existing folder, in which each archive gets its image's name.");
        }

        var request = new ExportRequest
        {
            Image = image,
            DestinationPath = target,
            Compression = Compression,
            CompressionLevel = CompressionLevel,
            Recipients = _recipients,
            Force = Force,
        };
        IReadOnlyList<string> others = RunOperation($"Exporting {image.Name}", (progress, stopping) => ImageExport.Run(request, progress, stopping));
        if (others.Count > 0)
        {
            WriteWarning($"{image.Path} has files that are not the image's, and not in the archive: {string.Join(", ", others)}.");
        }

        WriteObject(new FileInfo(target));
    }
}
