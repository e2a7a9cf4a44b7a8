using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Images.Model;
using PSCrac.Images.Operations;
using PSCrac.Stores;

namespace PSCrac.Commands;

/// <summary>Get-CracImage: images as objects, and the tags of a store.</summary>
[Cmdlet(VerbsCommon.Get, "CracImage", DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracImage), typeof(CracStoredImage))]
public sealed class GetCracImageCommand : ImageReadingCommand
{
    /// <summary>Paths, with wildcards, or names under the image root.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string[]? Path { get; set; }

    /// <summary>Paths taken as they are.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = LiteralPathSet)]
    [Alias("PSPath")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string[] LiteralPath { get; set; } = [];

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
    private protected override bool MayFindNothing => true;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        IEnumerable<CracImage> images = ParameterSetName == LiteralPathSet ? OpenLiteralPaths(LiteralPath)
            : Path is not null ? OpenPaths(Path)
            : OpenRoot();
        foreach (CracImage image in images)
        {
            WriteObject(image);
        }
    }

    /// <inheritdoc/>
    private protected override bool TakeStored(StoreName name)
    {
        if (name.IsRegistry)
        {
            ListRegistry(name);
            return true;
        }

        using StoreLayout store = StoreLayout.Open(name.Folder!, StopToken);
        if (name.Tag is not null)
        {
            WriteObject(StoredImages.Show(store, name));
            return true;
        }

        foreach (CracStoredImage image in StoredImages.List(store, name, (damaged, failure) => OnFailure(failure, damaged.ToString())))
        {
            WriteObject(image);
        }

        return true;
    }

    private void ListRegistry(StoreName name)
    {
        var failures = new List<(StoreName Name, CracException Failure)>();
        var registry = new Registry(Access);
        IReadOnlyList<CracStoredImage> images = RunOperation(
            $"Reading {name}",
            (_, stopping) => name.Tag is null ? registry.List(name, (damaged, failure) => failures.Add((damaged, failure)), stopping) : [registry.Show(name, stopping)]);
        WriteObject(images, enumerateCollection: true);
        foreach ((StoreName damaged, CracException failure) in failures)
        {
            OnFailure(failure, damaged.ToString());
        }
    }

    private IEnumerable<CracImage> OpenRoot()
    {
        IReadOnlyList<string> found = [];
        ForItem(ImageRoot.Path, () => found = [.. ImageRoot.EnumerateImages(), .. ImageRoot.EnumerateSeries().SelectMany(ImageSeries.Find)]);
        foreach (string each in found)
        {
            if (Open(each) is { } image)
            {
                yield return image;
            }
        }
    }
}
