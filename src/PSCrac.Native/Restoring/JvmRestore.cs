using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Restoring;

/// <summary>
/// Brings back a JVM that checkpointed itself: by java, which does it all; or by criu, which leaves it asleep until it is
/// woken.
/// </summary>
internal static class JvmRestore
{
    /// <summary>Restores a JVM, as <see cref="Restore.Run"/> does.</summary>
    internal static CracRestoredProcess Run(RestoreRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        JvmImage jvm = JvmImage.Read(request.Image);
        bool wantsJava = request.Jvm.Given().Count > 0;
        List<string> ofCriu = JvmRestoreSupport.OfCriu(request);
        bool byJava = request.Engine switch
        {
            CracEngineChoice.Jvm => true,
            CracEngineChoice.Criu => false,
            _ => wantsJava || (ofCriu.Count == 0 && jvm.FindJava(path: null) is not null && RestorePlacement.Choose(request.PidNamespace, request.Image) == CracPidNamespace.Host),
        };
        return byJava
            ? ByJava(request, JvmRestoreSupport.RequireJava(request, jvm, ofCriu), mayGoByCriu: request.Engine == CracEngineChoice.Auto && !wantsJava, progress, cancellation)
            : ByCriu(request, jvm, progress, cancellation);
    }

    private static CracRestoredProcess ByJava(
        RestoreRequest request, string java, bool mayGoByCriu, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        // java reads the image by its path, so what was looked at is what it reads only as long as the folders above stay trusted.
        using (var trust = ImageTrust.Examine(request.Image.Path))
        {
            RestorePreflight.RequireTrusted(trust, request.SkipTrustCheck);
        }

        RequirePids(request, mayGoByCriu, progress, cancellation);
        LaunchedJvm launched = JavaLaunch.Run(request, java, progress, cancellation);
        return launched.Guard is null
            ? new CracRestoredProcess(request.Image, launched.Id, launched.Time, isChild: false)
            : new CracRestoredProcess(request.Image, launched.Id, launched.Time, launched.Guard, launched.GuardId);
    }

    private static CracRestoredProcess ByCriu(RestoreRequest request, JvmImage jvm, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        (SafeFileHandle File, string Key)? perfData = jvm.OpenPerfData();
        using SafeFileHandle? opened = perfData?.File;
        RestoreRequest ofCriu = request with
        {
            // The engine took the image as a shell job's, and without a manifest nothing else says so.
            Options = request.Options with { ShellJob = request.Options.ShellJob ?? true },
            Inherited = perfData is { } found ? [(found.File, found.Key)] : [],
        };
        CracRestoredProcess restored = CriuRestore.Run(ofCriu, progress, cancellation);
        try
        {
            jvm.Wake(restored.Id);
            return restored;
        }
        catch
        {
            restored.Dispose();
            throw;
        }
    }

    // java's engine would find out as well, but only in criu's words.
    private static void RequirePids(RestoreRequest request, bool mayGoByCriu, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        progress?.Report(new CracProgress(CracPhase.WaitingForPids, 0, 0));
        List<int> taken = RestorePlacement.FindTaken(request, cancellation);
        if (taken.Count > 0)
        {
            (string who, string? mend) = RestorePlacement.Describe(taken[0]);
            throw new CracException(
                CracReason.PidInUse, $"Process id {taken[0]} of the image belongs to {who}.",
                mayGoByCriu ? $"Add -PidNamespace Auto to have criu restore beside it, in a pid namespace of its own{(mend is null ? "" : $"; or {mend}, and restore again")}."
                    : mend is null ? "Restore it with -Engine Criu -PidNamespace New." : $"{char.ToUpperInvariant(mend[0])}{mend[1..]}, and restore again.")
            {
                ProcessId = taken[0],
            };
        }
    }
}
