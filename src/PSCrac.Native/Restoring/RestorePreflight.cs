using Microsoft.Win32.SafeHandles;
using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Restoring;

/// <summary>
/// What a restore asks of an image and of this machine before it starts criu, and the same for who only wants to know: what
/// <see cref="Examine"/> calls a blocker is what <see cref="Restore"/> refuses.
/// </summary>
public static class RestorePreflight
{
    /// <summary>Says whether a restore would work, here and now. Changes nothing, and starts nothing but criu, for its version.</summary>
    /// <param name="request">What would be restored, and how. Of its files only those are looked at that stay what they were.</param>
    /// <param name="full">Whether all files of the image but the pages are read, instead of only their names and sizes.</param>
    public static ImagePreflight Examine(RestoreRequest request, bool full = false)
    {
        ArgumentNullException.ThrowIfNull(request);
        Version? version = null;
        CracException? noCriu = null;
        try
        {
            version = CriuInstallation.Locate(request.CriuPath).GetVersion();
        }
        catch (CracException e) when (e.Reason is CracReason.CriuNotFound or CracReason.LibCriuNotFound or CracReason.CriuTooOld)
        {
            noCriu = e;
        }

        PreflightEnvironment environment = PreflightEnvironment.Read() with { CriuPath = request.CriuPath };
        ImagePreflightOptions options = OptionsOf(request, request.Options.WithDefaults(request.Image.Options), new FileEdits()) with
        {
            Full = full,
            NewPidNamespace = RestorePlacement.Choose(request.PidNamespace, request.Image) switch
            {
                CracPidNamespace.New => true,

                // It goes beside whoever has its ids where it may, and otherwise wants them free.
                CracPidNamespace.Auto => environment.IsPrivileged,
                _ => false,
            },
            CriuVersion = version,
            HasTerminal = environment.HasTerminal,
        };
        ImagePreflight preflight = ImagePreflight.Examine(request.Image, options, environment);
        return noCriu is null ? preflight : preflight.WithFinding(new CracFinding
        {
            Severity = CracFindingSeverity.Blocker,
            What = "criu",
            Reason = noCriu.Reason,
            Why = noCriu.Message,
            RecommendedAction = noCriu.RecommendedAction,
        });
    }

    /// <summary>Refuses what someone else could have written.</summary>
    /// <returns>The image's folder, open; the trust's own.</returns>
    internal static SafeFileHandle RequireTrusted(ImageTrust trust, bool skip)
    {
        if (trust.Directory.IsInvalid || (!trust.IsTrusted && !skip))
        {
            CracFinding first = trust.Findings[0];
            throw new CracException(first.Reason, $"{char.ToUpperInvariant(first.What[0])}{first.What[1..]}: {first.Why}", first.RecommendedAction);
        }

        return trust.Directory;
    }

    /// <summary>Refuses what cannot work, in the words of <see cref="Examine"/>. Trust, completeness and free pids were seen to before.</summary>
    /// <param name="request">What is restored.</param>
    /// <param name="options">criu's options, with the manifest's.</param>
    /// <param name="criu">The criu that restores.</param>
    /// <param name="isNew">Whether the tree gets a pid namespace of its own.</param>
    /// <param name="edits">Which open files become other ones.</param>
    /// <returns>What was found that is no obstacle.</returns>
    internal static IReadOnlyList<CracFinding> RequirePossible(
        RestoreRequest request, RestoreOptions options, CriuInstallation criu, bool isNew, FileEdits edits)
    {
        if (request.SkipPreflight)
        {
            return [];
        }

        ImagePreflightOptions asked = OptionsOf(request, options, edits) with
        {
            NewPidNamespace = isNew,
            CriuVersion = criu.GetVersion(),

            // What becomes of a terminal that is not there is the edits' business, and they tell it.
            HasTerminal = true,
        };
        ImagePreflight preflight = ImagePreflight.ExamineMachine(request.Image, asked, PreflightEnvironment.Read() with { CriuPath = criu.CriuPath });
        return preflight.CanRestore ? preflight.Findings : throw Blocked(request.Image, preflight.Findings);
    }

    private static ImagePreflightOptions OptionsOf(RestoreRequest request, RestoreOptions options, FileEdits edits)
    {
        var replaced = new HashSet<string>(request.Files.Replace.Keys, StringComparer.Ordinal);
        foreach ((_, string key) in request.Inherited)
        {
            // criu's key for a file is its path without the first slash.
            replaced.Add("/" + key);
        }

        return new ImagePreflightOptions
        {
            SkipTrustCheck = request.SkipTrustCheck,
            WaitsForPids = request.PidTimeout > TimeSpan.Zero,
            ReopenGrownFile = request.Files.ReopenGrown,
            LazyPages = options.LazyPages,
            ReplacedFiles = replaced,
            UnopenedFiles = edits.Moved.Count == 0 ? new HashSet<uint>() : FindUnopened(request.Image, edits),
            CriuOptions = options.ToNames().Keys.ToHashSet(StringComparer.Ordinal),
        };
    }

    // A file that no descriptor leads to any more, since all of them were moved to another.
    private static HashSet<uint> FindUnopened(CracImage image, FileEdits edits)
    {
        HashSet<uint> left = [.. edits.Moved.Keys.Select(static moved => moved.Id)];
        foreach (CracImageFile file in image.Files)
        {
            if (file.Descriptor is not { } number || !edits.Moved.ContainsKey(((uint)file.Id, number)))
            {
                left.Remove((uint)file.Id);
            }
        }

        return left;
    }

    private static CracException Blocked(CracImage image, IReadOnlyList<CracFinding> findings)
    {
        CracFinding first = findings[0];
        string[] others = [.. findings.Where(static finding => finding.Severity == CracFindingSeverity.Blocker).Skip(1).Select(static finding => finding.What)];
        string where = first.ProcessId is { } id && id != image.RootProcessId ? $"process {id}, {first.What}" : first.What;

        // Told here: Start-CracProcess -OrRestore has replaced the image by the time that this is read.
        string more = others.Length == 0 ? string.Empty : $" Also in the way: {string.Join("; ", others)}.";
        return new CracException(first.Reason, $"The image {image.Path} cannot be restored here: {where}. {first.Why}{more}", first.RecommendedAction)
        {
            Findings = findings,
        };
    }
}
