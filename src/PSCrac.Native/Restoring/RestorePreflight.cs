using PSCrac.Archives.Signatures;
using PSCrac.Criu;
using PSCrac.Images.Storage;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Restoring;

/// <summary>
/// The preflight of a restore: what it requires of an image and of this machine. <see cref="Restore"/> refuses what
/// <see cref="Examine"/> reports as a blocker.
/// </summary>
public static class RestorePreflight
{
    /// <summary>Finds out whether a restore would work on this machine now. Changes nothing, and starts nothing but criu, for its version.</summary>
    /// <param name="request">The image and the options. Files that the request replaces are not examined.</param>
    /// <param name="full">Whether all files of the image but the pages are read, instead of only their names and sizes compared.</param>
    /// <param name="cancellation">Cancels the reading of the files.</param>
    public static ImagePreflight Examine(RestoreRequest request, bool full = false, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        Version? version = null;
        CracException? noCriu = null;
        try
        {
            version = CriuInstallation.Locate(request.CriuPath).GetVersion();
        }
        catch (CracException e) when (e.Reason is CracReason.CriuNotFound or CracReason.LibCriuNotFound or CracReason.CriuTooOld or CracReason.FileNotTrusted)
        {
            noCriu = e;
        }

        PreflightEnvironment environment = PreflightEnvironment.Read() with { CriuPath = request.CriuPath };
        ImagePreflightOptions options = OptionsOf(request, request.Options.WithDefaults(request.Image.Options), new FileEdits()) with
        {
            Full = full,
            Cancellation = cancellation,
            NewPidNamespace = RestorePlacement.Choose(request.PidNamespace, request.Image) switch
            {
                CracPidNamespace.New => true,

                // Taken pids are no obstacle where a new namespace can be created.
                CracPidNamespace.Auto => environment.IsPrivileged,
                _ => false,
            },
            IsNewPidNamespaceCertain = RestorePlacement.Choose(request.PidNamespace, request.Image) == CracPidNamespace.New,
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

    /// <summary>Refuses an image that another user could have written, and one without the signature that the request requires.</summary>
    /// <param name="trust">Who could have written it.</param>
    /// <param name="request">What the caller requires.</param>
    /// <param name="cancellation">Ends the verification of the signature.</param>
    /// <returns>The image's folder, open; <paramref name="trust"/> closes it.</returns>
    internal static FolderHandle RequireTrusted(ImageTrust trust, RestoreRequest request, CancellationToken cancellation)
    {
        FolderHandle folder = RequireTrusted(trust, request.SkipTrustCheck);
        if (request.RequireSignature)
        {
            SignatureCheck.Verify(new DirectoryImageSource(folder), request.AllowedSigners, cancellation);
        }

        return folder;
    }

    /// <summary>Refuses an image that another user could have written.</summary>
    /// <returns>The image's folder, open; <paramref name="trust"/> closes it.</returns>
    internal static FolderHandle RequireTrusted(ImageTrust trust, bool skip)
    {
        if (trust.Folder is not { } folder || (!trust.IsTrusted && !skip))
        {
            CracFinding first = trust.Findings[0];
            throw new CracException(first.Reason, $"{char.ToUpperInvariant(first.What[0])}{first.What[1..]}: {first.Why}", first.RecommendedAction);
        }

        return folder;
    }

    /// <summary>Refuses what <see cref="Examine"/> reports as a blocker. Trust, completeness and free pids are checked elsewhere.</summary>
    /// <param name="request">The image and the caller's options.</param>
    /// <param name="options">criu's options, completed from the manifest.</param>
    /// <param name="criu">The criu that is used.</param>
    /// <param name="isNew">Whether the tree is restored into a new pid namespace.</param>
    /// <param name="edits">The open files that are replaced.</param>
    /// <returns>What was found, without blockers.</returns>
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
            IsNewPidNamespaceCertain = isNew,
            CriuVersion = criu.GetVersion(),

            // The edits replace a missing terminal and warn of it.
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
            // criu's key for a file is its path without the leading slash.
            replaced.Add("/" + key);
        }

        return new ImagePreflightOptions
        {
            SkipTrustCheck = request.SkipTrustCheck,
            RequireSignature = request.RequireSignature,
            AllowedSigners = request.AllowedSigners,
            AsChild = request.AsChild,
            WaitsForPids = request.PidTimeout > TimeSpan.Zero,
            ReopenGrownFile = request.Files.ReopenGrown,
            LazyPages = options.LazyPages,
            ReplacedFiles = replaced,
            UnopenedFiles = edits.Moved.Count == 0 ? new HashSet<uint>() : FindUnopened(request.Image, edits),
            CriuOptions = options.ToNames().Keys.ToHashSet(StringComparer.Ordinal),
        };
    }

    // Files that no descriptor refers to any more, since all were redirected.
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

        // The message names them all: Start-CracProcess -OrRestore replaces the image, so that Test-CracImage can no longer show them.
        string more = others.Length == 0 ? string.Empty : $" Other blockers: {string.Join("; ", others)}.";
        return new CracException(first.Reason, $"The image {image.Path} cannot be restored here: {where}. {first.Why}{more}", first.RecommendedAction)
        {
            Findings = findings,
        };
    }
}
