using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Restoring;

/// <summary>
/// Restores a JVM that checkpointed itself: with java, which does all of it; or with criu, after which the JVM sleeps until it is
/// woken by a signal.
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
        // java opens the image by its path: it reads what was checked here only as long as the folders above stay trusted.
        using (var trust = ImageTrust.Examine(request.Image.Path))
        {
            RestorableImage.RequireSameFolder(request.Image, RestorePreflight.RequireTrusted(trust, request, cancellation));
            RestorableImage.RequireAgreement(request.Image);
        }

        RequirePids(request, mayGoByCriu, progress, cancellation);
        string[] warnings = [.. RestorableImage.DescribeUnchecked(request.Image)];
        LaunchedJvm launched = JavaLaunch.Run(request, java, progress, cancellation);
        return launched.Guard is null
            ? new CracRestoredProcess(request.Image, launched.Id, launched.Time, isChild: false) { Warnings = warnings }
            : new CracRestoredProcess(request.Image, launched.Id, launched.Time, launched.Guard, launched.GuardId) { Warnings = warnings };
    }

    private static CracRestoredProcess ByCriu(RestoreRequest request, JvmImage jvm, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        (SafeFileHandle File, string Key)? perfData = jvm.OpenPerfData();
        using SafeFileHandle? opened = perfData?.File;
        RestoreRequest ofCriu = request with
        {
            // The engine dumped with --shell-job, and without a manifest nothing records that.
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

    // java's engine would fail too, but only with criu's message.
    private static void RequirePids(RestoreRequest request, bool mayGoByCriu, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        progress?.Report(new CracProgress(CracPhase.WaitingForPids, 0, 0));
        List<int> taken = RestorePlacement.FindTaken(request, cancellation);
        if (taken.Count > 0)
        {
            (string owner, string? remedy) = RestorePlacement.Describe(taken[0]);
            throw new CracException(
                CracReason.PidInUse, $"Process id {taken[0]} of the image belongs to {owner}.",
                mayGoByCriu ? $"Add -PidNamespace Auto to have criu restore beside it, in a pid namespace of its own{(remedy is null ? "" : $"; or {remedy}, and restore again")}."
                    : remedy is null ? "Restore it with -Engine Criu -PidNamespace New." : $"{char.ToUpperInvariant(remedy[0])}{remedy[1..]}, and restore again.")
            {
                ProcessId = taken[0],
            };
        }
    }
}
