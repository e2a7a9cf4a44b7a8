using System.Management.Automation;
using PSCrac.Archives;
using PSCrac.Commands.Common;
using PSCrac.Common;
using PSCrac.Completion;
using PSCrac.Images.Operations;
using PSCrac.Stores;

namespace PSCrac.Commands;

/// <summary>Import-CracImage: makes images of archives, of images in stores, and of images in folders of someone else's.</summary>
[Cmdlet(VerbsData.Import, "CracImage", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracImage))]
public sealed class ImportCracImageCommand : CracCommand
{
    private const string PathSet = "Path";
    private const string LiteralPathSet = "LiteralPath";
    private readonly HashSet<string> _made = new(StringComparer.Ordinal);

    /// <summary>Paths of archives and images, with wildcards, and names of images in stores.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(StoreTargetCompleter))]
    public string[] Path { get; set; } = [];

    /// <summary>Paths taken as they are.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = LiteralPathSet)]
    [Alias("PSPath")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(StoreTargetCompleter))]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>The image's name under the image root.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string? ImageName { get; set; }

    /// <summary>The directory that the image becomes.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? ImagePath { get; set; }

    /// <summary>Files with identities, for an encrypted archive.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string[] Identity { get; set; } = [];

    /// <summary>The most bytes that the content of the archive may have.</summary>
    [Parameter]
    [ValidateRange(1, long.MaxValue)]
    public long MaximumSize { get; set; }

    /// <summary>Accept only an image that an allowed signer has signed.</summary>
    [Parameter]
    public SwitchParameter RequireSignature { get; set; }

    /// <summary>The file that says whose signatures count.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? AllowedSigners { get; set; }

    /// <summary>Replace an image that is there.</summary>
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
    protected override void BeginProcessing() => OrEnd(null, () =>
    {
        if (ImageName is not null && ImagePath is not null)
        {
            throw new CracException(CracReason.OptionRefused, "-ImageName and -ImagePath both say where the image is put.", "Leave one of them out.");
        }

        if (ImageName is not null)
        {
            _ = ImageRoot.PathOf(ImageName);
        }
    });

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (string given in ParameterSetName == LiteralPathSet ? LiteralPath : Path)
        {
            IReadOnlyList<string> archives = [];
            if (StoreName.IsName(given))
            {
                ForItem(given, () => Import(ResolveStore(given)));
                continue;
            }

            ForItem(given, () => archives = ParameterSetName == LiteralPathSet ? [ResolveLiteral(given)] : Find(given));
            foreach (string archive in archives)
            {
                ForItem(archive, () => Import(archive));
            }
        }
    }

    private List<string> Find(string path)
    {
        if (!WildcardPattern.ContainsWildcardCharacters(path))
        {
            return [ResolveLiteral(WildcardPattern.Unescape(path))];
        }

        try
        {
            List<string> found = [.. SessionState.Path.GetResolvedProviderPathFromPSPath(path, out _).Where(static each => File.Exists(each) || CracImage.IsImageDirectory(each))];
            return found.Count > 0 ? found : throw NoMatch(path, cause: null);
        }
        catch (Exception e) when (e is ItemNotFoundException or SessionStateException or WildcardPatternException)
        {
            throw NoMatch(path, e);
        }
    }

    private static CracException NoMatch(string path, Exception? cause) =>
        new(CracReason.FileMissing, $"No archive or image matches '{path}'.", "Give the path of an archive; -LiteralPath knows no wildcards.", cause);

    private void Import(string archive) =>
        Import(archive, ImageImport.NameFor(archive), (request, progress, stopping) => ImageImport.Run(request, progress, stopping));

    private void Import(StoreName name)
    {
        if (name.Tag is null)
        {
            throw StoredImages.LacksTag(name);
        }

        Import(name.ToString(), name.Tag, (request, progress, stopping) =>
        {
            using var image = OpenedImage.Open(name, RegistryAccessOf(AuthFile, CertificateDirectory, SkipTlsCheck), stopping);
            return StoreImport.Run(image, request, progress, stopping);
        });
    }

    private void Import(string archive, string name, Func<ImportRequest, IProgress<CracProgress>, CancellationToken, ImportResult> import)
    {
        string target = ImagePath is not null ? ResolveLiteral(ImagePath) : ImageRoot.PathOf(ImageName ?? name);
        if (!ShouldProcess(archive, $"Import to {target}"))
        {
            return;
        }

        if (!_made.Add(target))
        {
            throw new CracException(
                CracReason.ImageExists, $"The image {target} was made just now, and the one in {archive} would replace it.", "Import one archive with each -ImageName or -ImagePath, or leave both out.");
        }

        var request = new ImportRequest
        {
            SourcePath = archive,
            ImagePath = target,
            Identities = [.. Identity.Select(ResolveLiteral)],
            MaximumSize = GetGiven(MaximumSize, nameof(MaximumSize)),
            RequireSignature = RequireSignature,
            AllowedSigners = ResolveOptional(AllowedSigners),
            Force = Force,
        };
        ImportResult result = RunOperation($"Importing {archive}", (progress, stopping) => import(request, progress, stopping));
        if (result.SignatureNote is { } note)
        {
            WriteVerbose(note);
        }

        foreach (string warning in result.Warnings)
        {
            WriteWarning(warning);
        }

        WriteObject(result.Image);
    }
}
