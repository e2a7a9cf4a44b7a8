using System.Management.Automation;
using PSCrac.Archives;
using PSCrac.Commands.Common;
using PSCrac.Common;
using PSCrac.Completion;
using PSCrac.Stores;

namespace PSCrac.Commands;

/// <summary>Export-CracImage: writes images to archives, a file each, or to stores.</summary>
[Cmdlet(VerbsData.Export, "CracImage", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(FileInfo), typeof(CracStoredImage))]
public sealed class ExportCracImageCommand : ImageInputCommand
{
    private readonly HashSet<string> _written = new(StringComparer.Ordinal);
    private AgeRecipients? _recipients;

    /// <summary>The archive, or an existing folder, in which the archive gets the image's name; or the name of the image in a store.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(StoreTargetCompleter))]
    public string DestinationPath { get; set; } = string.Empty;

    /// <summary>The image in the same store that the new one is stored as a difference from.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(StoreTargetCompleter))]
    public string? Base { get; set; }

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

    /// <summary>Replace a file or a tag that is there.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>A file of credentials for a registry.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? AuthFile { get; set; }

    /// <summary>A folder of certificates for a registry.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CertificateDirectory { get; set; }

    /// <summary>Accept a registry without TLS, and any certificate.</summary>
    [Parameter]
    public SwitchParameter SkipTlsCheck { get; set; }

    /// <inheritdoc/>
    private protected override RegistryAccess Access => RegistryAccessOf(AuthFile, CertificateDirectory, SkipTlsCheck);

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
        if (StoreName.IsName(DestinationPath))
        {
            ExportToStore(image, ResolveStore(DestinationPath));
            return;
        }

        if (Base is not null)
        {
            throw new CracException(CracReason.OptionRefused, "-Base is for an image in a store, and an archive has all of its image.", "Give -DestinationPath the name of an image in a store, such as oci:/srv/store:v2, or leave out -Base.");
        }

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

    /// <inheritdoc/>
    private protected override bool TakeStored(StoreName name)
    {
        if (!StoreName.IsName(DestinationPath))
        {
            return false;
        }

        if (MyInvocation.BoundParameters.Keys.FirstOrDefault(static each => each is nameof(Base) or nameof(Recipient) or nameof(Compression) or nameof(CompressionLevel)) is { } option)
        {
            throw new CracException(CracReason.OptionRefused, $"An image in a store is copied to another as it is, and -{option} would change it.", $"Leave it out, or import {name} first with Import-CracImage.");
        }

        StoreName target = ResolveStore(DestinationPath);
        target = target.Tag is null ? target.WithTag(name.Tag ?? throw StoredImages.LacksTag(name)) : target;
        if (ShouldProcess(name.ToString(), $"Copy to {target}"))
        {
            WriteObject(RunOperation($"Copying {name}", (progress, stopping) => StoreCopy.Run(name, target, Access, Force, progress, stopping)));
        }

        return true;
    }

    private void ExportToStore(CracImage image, StoreName given)
    {
        StoreName target = given.Tag is not null ? given
            : StoreName.IsTag(image.Name) ? given.WithTag(image.Name)
            : throw new CracException(CracReason.OptionRefused, $"{given} has no tag, and the image's name {image.Name} cannot be one.", $"Give one: -DestinationPath {given}:v1.");
        if (Compression == CracArchiveCompression.None)
        {
            throw new CracException(CracReason.OptionRefused, "Images in stores are compressed with zstd.", "Leave out -Compression.");
        }

        StoreName? full = Base is null ? null : ResolveBase(target);
        if (!ShouldProcess(image.Path, $"Export to {target}"))
        {
            return;
        }

        if (!_written.Add(target.ToString()))
        {
            throw new CracException(CracReason.ImageExists, $"{target} was written just now, and {image.Path} would replace it.", "Give -DestinationPath a store without a tag, in which each image gets its name as a tag.");
        }

        var request = new StoreExportRequest
        {
            Image = image,
            Target = target,
            Base = full,
            CompressionLevel = GetGiven(CompressionLevel, nameof(CompressionLevel)),
            Recipients = _recipients,
            Force = Force,
        };
        if (target.IsRegistry && _recipients is null)
        {
            WriteWarning($"{target}: the image is not encrypted, and has the memory of its processes, with passwords and keys. Whoever may read the repository can read it; -Recipient encrypts it.");
        }

        StoreExportResult result = RunOperation(
            $"Exporting {image.Name}",
            (progress, stopping) => target.IsRegistry ? RegistryExport.Run(request, Access, progress, stopping) : StoreExport.Run(request, progress, stopping));
        WriteVerbose(result.Base is null ? $"{target} has all of its image." : $"{target} has what differs from {result.Base}.");
        if (result.Others.Count > 0)
        {
            WriteWarning($"{image.Path} has files that are not the image's, and not in the store: {string.Join(", ", result.Others)}.");
        }

        WriteObject(result.Image);
    }

    // A tag alone is one of the store that is written to.
    private StoreName ResolveBase(StoreName target)
    {
        StoreName given = StoreName.IsName(Base!) ? ResolveStore(Base!) : target.WithTag(Base!);
        return given.WithoutTag() != target.WithoutTag()
            ? throw new CracException(CracReason.OptionRefused, $"The base {given} is not in the store {target.WithoutTag()}, where its pages are needed.", $"Copy it there first: Export-CracImage {given} -DestinationPath {target.WithoutTag()}.")
            : given.Tag is null ? throw StoredImages.LacksTag(given) : given;
    }
}
