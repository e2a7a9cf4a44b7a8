using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Preflight.ImageRules;
using PSCrac.Preflight.Subjects;
using PSCrac.Processes;
using PSCrac.Restoring;

namespace PSCrac.Jvm;

/// <summary>
/// Brings back a JVM that checkpointed itself. It sleeps in its image until a signal with a number tells it to go on
/// (openjdk/crac: libcriuengine/criuengine.cpp); a restore that leaves the signal out leaves it asleep.
/// </summary>
internal static class JvmRestore
{
    private const string Operation = "restore";

    /// <summary>Whether an image is to be restored by this class rather than by <see cref="Restore"/>.</summary>
    /// <param name="choice">What the caller asked for. It does not matter for an image of a sleeping JVM, which has to be woken either way.</param>
    /// <param name="image">The image.</param>
    /// <exception cref="CracException"><see cref="CracReason.JvmNotCapable"/>: the JVM's way was asked for, and the image is none of a JVM's.</exception>
    public static bool Applies(CracEngineChoice choice, CracImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        bool isJvm = JvmImage.IsOf(image);
        return isJvm || choice != CracEngineChoice.Jvm ? isJvm : throw new CracException(
            CracReason.JvmNotCapable, $"The image {image.Path} was not taken by a JVM of itself.", "Leave out -Engine, or use -Engine Criu.")
        {
            Operation = Operation,
            ImagePath = image.Path,
        };
    }

    /// <summary>Restores a JVM.</summary>
    /// <param name="request">What and how.</param>
    /// <param name="progress">Told of the phases; null for nobody.</param>
    /// <param name="cancellation">Ends the restore; nothing of it is left.</param>
    /// <returns>The JVM, running.</returns>
    /// <exception cref="CracException">It failed, and nothing of it runs.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, with the same outcome.</exception>
    public static CracRestoredProcess Run(JvmRestoreRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellation.ThrowIfCancellationRequested();
        JvmImage jvm = JvmImage.Read(request.Image);
        JavaRuntime? runtime = request.JavaPath is null ? jvm.Runtime : JavaRuntime.TryFind(request.JavaPath);
        bool isCapable = runtime is { Support: not (CracSupport.None or CracSupport.Simulated) } && File.Exists(request.JavaPath ?? runtime.Executable);
        List<string> ofJava = JvmRestoreSupport.OfJava(request);
        List<string> ofCriu = JvmRestoreSupport.OfCriu(request);
        bool byJava = request.Engine switch
        {
            CracEngineChoice.Jvm => true,
            CracEngineChoice.Criu => false,
            _ => ofJava.Count > 0 || (isCapable && ofCriu.Count == 0 && RestorePlacement.Choose(request.PidNamespace, request.Image) == CracPidNamespace.Host),
        };
        if (!byJava)
        {
            return ofJava.Count > 0 ? throw Refuse(
                request, CracReason.OptionRefused, $"Only java can do what {JvmRestoreSupport.List(ofJava)} asks for: in which form it is passed on is a matter between one build of the JVM and itself.",
                $"Leave out -Engine Criu, or {JvmRestoreSupport.List(ofJava)}.") : ByCriu(request, jvm, progress, cancellation);
        }

        if (ofCriu.Count > 0)
        {
            throw Refuse(
                request, CracReason.OptionRefused,
                $"java restores its image itself, and cannot be told of {JvmRestoreSupport.List(ofCriu)}."
                    + (ofJava.Count > 0 ? $" criu can, but not do what {JvmRestoreSupport.List(ofJava)} asks for." : string.Empty),
                ofJava.Count > 0 ? $"Leave out {JvmRestoreSupport.List(ofCriu)}, or {JvmRestoreSupport.List(ofJava)}."
                    : $"Use -Engine Criu, or leave out {JvmRestoreSupport.List(ofCriu)}.");
        }

        if (!isCapable)
        {
            string where = request.JavaPath ?? (jvm.Home is null ? "a java that the image does not name" : Path.Combine(jvm.Home, "bin", "java"));
            throw Refuse(
                request, CracReason.JvmNotCapable, $"The image is to be restored by {where}, which is not there or does not know CRaC.",
                "Install the runtime that made the image at the same place, give -JavaPath its java, or use -Engine Criu.");
        }

        if (request.MainClass is null && request.Arguments.Count > 0)
        {
            throw Refuse(
                request, CracReason.OptionRefused, "New arguments are those of a new main class, and none is named.",
                "Give -MainClass the class whose main method is to be called with them.");
        }

        // java reads the image by its path, so what was looked at is what it reads only as long as the folders above stay trusted.
        using (var trust = ImageTrust.Examine(request.Image.Path))
        {
            RestorePreflight.RequireTrusted(request.Image, trust, request.SkipTrustCheck);
        }

        RequirePids(request, mayGoByCriu: request.Engine == CracEngineChoice.Auto && ofJava.Count == 0, progress, cancellation);
        return JavaLaunch.Run(request, request.JavaPath ?? runtime!.Executable, progress, cancellation);
    }

    private static CracRestoredProcess ByCriu(JvmRestoreRequest request, JvmImage jvm, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        (SafeFileHandle File, string Key)? perfData = jvm.OpenPerfData();
        using SafeFileHandle? opened = perfData?.File;
        CracRestoredProcess restored = Restore.Run(
            new RestoreRequest
            {
                Image = request.Image,

                // The engine took the image as a shell job's, and without a manifest nothing else says so.
                Options = request.Options with { ShellJob = request.Options.ShellJob ?? true },
                AsChild = request.AsChild,
                PidNamespace = request.PidNamespace,
                Files = request.Files,
                SkipTrustCheck = request.SkipTrustCheck,
                SkipPreflight = request.SkipPreflight,
                PidTimeout = request.PidTimeout,
                CriuPath = request.CriuPath,
                Guard = request.Guard,
                Inherited = perfData is { } found ? [(found.File, found.Key)] : [],
            },
            progress,
            cancellation);
        Wake(restored, jvm);
        return restored;
    }

    // SIGRTMIN + 2, and 0 for "no new parameters". The first real-time signals are the C library's own: two of glibc's,
    // three of musl's (signal(7); musl's src/internal/pthread_impl.h).
    private static void Wake(CracRestoredProcess restored, JvmImage jvm)
    {
        const int NoParameters = 0;
        int signal = (jvm.IsMusl ? 35 : 34) + 2;
        using SafeFileHandle pidFd = LibC.OpenPidFd(restored.Id, out Errno errno);
        errno = errno != 0 ? errno : LibC.Queue(pidFd, signal, NoParameters);
        if (errno != 0)
        {
            restored.Dispose();
            throw new CracException(
                errno == Errno.ESRCH ? CracReason.ProcessGone : CracReason.PermissionDenied,
                $"The JVM was restored as process {restored.Id}, but could not be woken: {LibC.Message(errno)}.",
                $"Wake it with: kill -s {signal} {restored.Id}, as root; or end it.")
            {
                Operation = Operation,
                ProcessId = restored.Id,
                ImagePath = restored.ImagePath,
            };
        }
    }

    // java's engine would find out as well, but only in criu's words.
    private static void RequirePids(JvmRestoreRequest request, bool mayGoByCriu, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        progress?.Report(new CracProgress(CracPhase.WaitingForPids, 0, 0));
        List<int> taken = PidWaiter.Wait(
            [.. PidRule.Needed(request.Image).Select(static needed => needed.Id)], request.PidTimeout, PidWaiter.IsZombie, cancellation);
        if (taken.Count > 0)
        {
            (string who, string? mend) = RestorePlacement.Describe(taken[0]);
            throw new CracException(
                CracReason.PidInUse, $"Process id {taken[0]} of the image belongs to {who}.",
                mayGoByCriu ? $"Add -PidNamespace Auto to have criu restore beside it, in a pid namespace of its own{(mend is null ? "" : $"; or {mend}, and restore again")}."
                    : mend is null ? "Restore it with -Engine Criu -PidNamespace New." : $"{char.ToUpperInvariant(mend[0])}{mend[1..]}, and restore again.")
            {
                Operation = Operation,
                ProcessId = taken[0],
                ImagePath = request.Image.Path,
            };
        }
    }

    private static CracException Refuse(JvmRestoreRequest request, CracReason reason, string message, string recommendedAction) =>
        new(reason, message, recommendedAction) { Operation = Operation, ImagePath = request.Image.Path };
}
