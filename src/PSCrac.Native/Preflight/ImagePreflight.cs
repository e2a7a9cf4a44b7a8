using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Preflight.ImageRules;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight;

/// <summary>
/// Compares an image with this machine and reports, before anything is started, whether its restore will work here and now. It only
/// reads. <see cref="Restoring.RestorePreflight"/> runs it.
/// </summary>
public sealed class ImagePreflight
{
    private static readonly ImageRule[] s_imageRules = [new TrustRule(), new SignatureRule(), new CompletenessRule(), new ManifestRule()];

    private static readonly ImageRule[] s_machineRules =
    [
        new RestoreLoopbackRule(),
        new OneShotRule(),
        new GhostFileRule(),
        new RestoreProcFileRule(),
        new RestorePrivilegeRule(),
        new PidRule(),
        new FilePresenceRule(),
        new WatchRule(),
        new SocketAddressRule(),
        new UnixNameRule(),
        new RestoreTerminalRule(),
        new ParentDeathRule(),
        new RestoreNamespaceRule(),
        new RestoreNetworkLockRule(),
        new RestoreProgramRule(),
        new ProcessorRule(),
        new LazyMemoryRule(),
        new VersionRule(),
    ];

    private ImagePreflight(CracImage image, List<CracFinding> findings)
    {
        Image = image;
        Findings = [.. FindingGroups.Merge(findings).OrderBy(static finding => finding.Severity).Select(finding => finding with { ImagePath = image.Path })];
        CanRestore = !findings.Exists(static finding => finding.Severity == CracFindingSeverity.Blocker);
    }

    /// <summary>The image.</summary>
    public CracImage Image { get; }

    /// <summary>The findings, blockers first.</summary>
    public IReadOnlyList<CracFinding> Findings { get; }

    /// <summary>Whether there is no blocker for a restore.</summary>
    public bool CanRestore { get; }

    /// <summary>Compares an image with this machine.</summary>
    /// <param name="image">The image. Of a damaged one, the readable part is examined.</param>
    /// <param name="options">The caller's options; null for the defaults.</param>
    /// <param name="environment">The side that will restore; null to read it now.</param>
    internal static ImagePreflight Examine(CracImage image, ImagePreflightOptions? options = null, PreflightEnvironment? environment = null)
    {
        ArgumentNullException.ThrowIfNull(image);
        return Examine(image, options, environment, [.. s_imageRules, .. s_machineRules]);
    }

    /// <summary>The same without the checks of the image's files, their owner and their completeness.</summary>
    internal static ImagePreflight ExamineMachine(CracImage image, ImagePreflightOptions options, PreflightEnvironment environment) =>
        Examine(image, options, environment, s_machineRules);

    /// <summary>A copy with one more finding.</summary>
    internal ImagePreflight WithFinding(CracFinding finding) => new(Image, [finding, .. Findings]);

    private static ImagePreflight Examine(CracImage image, ImagePreflightOptions? options, PreflightEnvironment? environment, ImageRule[] rules)
    {
        var subject = new ImageSubject(image, options ?? ImagePreflightOptions.Default, environment ?? PreflightEnvironment.Read());
        foreach (ImageRule rule in rules)
        {
            try
            {
                rule.Examine(subject);
            }
            catch (CracException e) when (e.Reason is CracReason.ImageCorrupt or CracReason.ImageIncomplete or CracReason.PermissionDenied)
            {
                // The part of the image that this rule needs cannot be read, which is itself a finding. It is reported once.
                if ((e.FileName is null || subject.DamagedFiles.Add(e.FileName)) && !subject.Findings.Exists(finding => finding.What == e.Message))
                {
                    subject.Block(null, e.Message, e.Reason, "A restore needs it.", e.RecommendedAction ?? "Copy the image again, or make a new one.");
                }
            }
        }

        return new ImagePreflight(image, subject.Findings);
    }
}
