using PSCrac.Common;
using PSCrac.Options;

namespace PSCrac.Preflight.Subjects;

/// <summary>The image that the rules examine, and facts about it that several rules need.</summary>
internal sealed class ImageSubject(CracImage image, ImagePreflightOptions options, PreflightEnvironment environment)
    : RuleSubject(environment)
{
    internal CracImage Image { get; } = image;

    internal ImagePreflightOptions Options { get; } = options;

    /// <summary>The image's files that already have a finding: further errors in them are not another cause.</summary>
    internal HashSet<string> DamagedFiles { get; } = new(StringComparer.Ordinal);

    /// <summary>How criu reopens the files whose paths were unlinked at the checkpoint: remap-fpath.img, by the file's id.</summary>
    internal IReadOnlyDictionary<uint, (string Type, uint Id)> Remaps => Image.Remaps;

    /// <summary>Whether the image contains a namespace of this kind (proc's name), instead of using the restore's.</summary>
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

    /// <summary>Whether the restore has an option of criu: given, or otherwise repeated from the checkpoint.</summary>
    internal bool HasOption(string name) => Options.CriuOptions?.Contains(name) ?? Image.Options.ContainsKey(name);
}
