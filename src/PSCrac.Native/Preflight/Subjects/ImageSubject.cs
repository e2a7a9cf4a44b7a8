using PSCrac.Common;
using PSCrac.Images.Format;
using PSCrac.Options;

namespace PSCrac.Preflight.Subjects;

/// <summary>What the rules for an image look at, and what several of them need to know of it.</summary>
internal sealed class ImageSubject(CracImage image, ImagePreflightOptions options, PreflightEnvironment environment)
    : RuleSubject(environment)
{
    private Dictionary<uint, (string Type, uint Id)>? _remaps;

    internal CracImage Image { get; } = image;

    internal ImagePreflightOptions Options { get; } = options;

    /// <summary>The image's files that a finding was about: what else fails over them is no other cause.</summary>
    internal HashSet<string> DamagedFiles { get; } = new(StringComparer.Ordinal);

    /// <summary>How the files are got at whose paths were gone at the checkpoint: remap-fpath.img, by the file's id.</summary>
    internal IReadOnlyDictionary<uint, (string Type, uint Id)> Remaps => _remaps ??= ReadRemaps();

    /// <summary>Whether the image holds a namespace of this kind, as proc names them, instead of using the one of the restore.</summary>
    internal bool HoldsNamespace(string kind)
    {
        foreach (CracImageNamespace each in Image.Namespaces)
        {
            if (each.Kind == kind && !each.IsHost)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the restore has an option of criu's: its own, else what was used at the checkpoint, which it repeats.</summary>
    internal bool HasOption(string name) => Options.CriuOptions?.Contains(name) ?? Image.Options.ContainsKey(name);

    private Dictionary<uint, (string Type, uint Id)> ReadRemaps()
    {
        var remaps = new Dictionary<uint, (string, uint)>();
        foreach (CracImageRecord remap in Image.Source.ReadRecords("remap-fpath.img", ImageType.RemapFpath))
        {
            remaps[(uint)remap.GetNumber("orig_id")] = (remap.GetText("remap_type") ?? "LINKED", (uint)remap.GetNumber("remap_id"));
        }

        return remaps;
    }
}
