using PSCrac.Common;
using PSCrac.Images.Format;
using PSCrac.Options;

namespace PSCrac.Preflight.Subjects;

/// <summary>What the rules for an image look at, what several of them need to know of it, and where their findings go.</summary>
internal sealed class ImageSubject(CracImage image, ImagePreflightOptions options, PreflightEnvironment environment)
{
    private Dictionary<uint, (string Type, uint Id)>? _remaps;

    internal CracImage Image { get; } = image;

    internal ImagePreflightOptions Options { get; } = options;

    internal PreflightEnvironment Environment { get; } = environment;

    internal List<CracFinding> Findings { get; } = [];

    /// <summary>The image's files that a finding was about: what else fails over them is no other cause.</summary>
    internal HashSet<string> DamagedFiles { get; } = new(StringComparer.Ordinal);

    /// <summary>How the files are got at whose paths were gone at the checkpoint: remap-fpath.img, by the file's id.</summary>
    internal IReadOnlyDictionary<uint, (string Type, uint Id)> Remaps => _remaps ??= ReadRemaps();

    /// <summary>Whether the image holds a namespace of this kind, as proc names them, instead of using the one of the restore.</summary>
    internal bool HoldsNamespace(string kind)
    {
        foreach (CracImageNamespace each in Image.Namespaces)
        {
            if (each.Kind == kind && !each.IsHosts)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the restore has an option of criu's: its own, else what was used at the checkpoint, which it repeats.</summary>
    internal bool HasOption(string name) => Options.CriuOptions?.Contains(name) ?? Image.Options.ContainsKey(name);

    internal void Block(int? processId, string what, CracReason reason, string why, string mend, FindingCause? cause = null) =>
        Add(CracFindingSeverity.Blocker, processId, what, reason, why, mend, cause);

    internal void Warn(int? processId, string what, CracReason reason, string why, string? mend, FindingCause? cause = null) =>
        Add(CracFindingSeverity.Warning, processId, what, reason, why, mend, cause);

    internal void Note(int? processId, string what, CracReason reason, string why, string? mend = null, FindingCause? cause = null) =>
        Add(CracFindingSeverity.Note, processId, what, reason, why, mend, cause);

    private void Add(CracFindingSeverity severity, int? processId, string what, CracReason reason, string why, string? mend, FindingCause? cause) =>
        Findings.Add(new CracFinding { Severity = severity, ProcessId = processId, What = what, Reason = reason, Why = why, RecommendedAction = mend, Cause = cause });

    private Dictionary<uint, (string Type, uint Id)> ReadRemaps()
    {
        var remaps = new Dictionary<uint, (string, uint)>();
        foreach (CracImageRecord remap in Image.Source.ReadRecords("remap-fpath.img", ImageType.RemapFpath))
        {
            remaps[(uint)remap.Number("orig_id")] = (remap.Text("remap_type") ?? "LINKED", (uint)remap.Number("remap_id"));
        }

        return remaps;
    }
}
