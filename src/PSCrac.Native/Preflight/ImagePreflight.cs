using PSCrac.Preflight.ImageRules;

namespace PSCrac.Preflight;

/// <summary>
/// Compares an image with this machine and says, before anything is started, whether its restore will work here and now.
/// It only reads.
/// </summary>
public sealed class ImagePreflight
{
    private static readonly ImageRule[] s_rules =
    [
        new TrustRule(),
        new CompletenessRule(),
        new OneShotRule(),
        new RestorePrivilegeRule(),
        new PidRule(),
        new FilePresenceRule(),
        new SocketAddressRule(),
        new RestoreTerminalRule(),
        new RestoreNamespaceRule(),
        new ProcessorRule(),
        new VersionRule(),
    ];

    private ImagePreflight(CracImage image, List<CracFinding> findings)
    {
        Image = image;
        Findings = findings;
        CanRestore = !findings.Exists(finding => finding.Severity == CracFindingSeverity.Blocker);
    }

    /// <summary>The image.</summary>
    public CracImage Image { get; }

    /// <summary>What was found, blockers first.</summary>
    public IReadOnlyList<CracFinding> Findings { get; }

    /// <summary>Whether nothing stands in the way of a restore.</summary>
    public bool CanRestore { get; }

    /// <summary>Compares an image with this machine.</summary>
    /// <param name="image">The image. Of a damaged one, what can be read is looked at.</param>
    /// <param name="options">What the caller has decided; null for nothing.</param>
    /// <param name="environment">The side that will restore; null to look now.</param>
    public static ImagePreflight Examine(CracImage image, ImagePreflightOptions? options = null, PreflightEnvironment? environment = null)
    {
        ArgumentNullException.ThrowIfNull(image);
        var subject = new ImageSubject(image, options ?? ImagePreflightOptions.Default, environment ?? PreflightEnvironment.Read());
        foreach (ImageRule rule in s_rules)
        {
            try
            {
                rule.Examine(subject);
            }
            catch (CracException e) when (e.Reason is CracReason.ImageCorrupt or CracReason.ImageIncomplete or CracReason.PermissionDenied)
            {
                // The part of the image that this rule needs cannot be read, which is a finding itself. It is told once.
                if (!subject.Findings.Exists(finding => finding.What == e.Message))
                {
                    subject.Block(null, e.Message, e.Reason, "A restore needs it.", e.Advice ?? "Copy the image again, or make a new one.");
                }
            }
        }

        List<CracFinding> findings = [.. subject.Findings.OrderBy(finding => finding.Severity)];
        return new ImagePreflight(image, findings);
    }
}
