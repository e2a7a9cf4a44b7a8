using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Staging;

namespace PSCrac.Jvm;

/// <summary>
/// A checkpoint that a CRaC JVM takes of itself, on our asking: its application is told first, its own engine starts criu.
/// Nothing of the JVM's choices (directory, criu, options) can be changed from outside; what is asked for otherwise is
/// refused, and the finished image is moved to where it was wanted.
/// </summary>
internal sealed class JvmCheckpoint
{
    private const string TargetFlag = "CRaCCheckpointTo";

    private readonly JvmProcess _jvm;
    private readonly CheckpointRequest _request;
    private readonly IProgress<CracProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private bool _isMade;
    private bool _isPlaced;

    private JvmCheckpoint(JvmProcess jvm, CheckpointRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        _jvm = jvm;
        _request = request;
        _progress = progress;
        _cancellation = cancellation;
    }

    /// <summary>Chooses the way of a checkpoint.</summary>
    /// <param name="choice">What the caller asked for.</param>
    /// <param name="processId">The process.</param>
    /// <param name="cancellation">Ends the wait for a JVM that is asked.</param>
    /// <returns>The JVM that is to checkpoint itself; null where criu is to do it.</returns>
    /// <exception cref="CracException"><see cref="CracReason.JvmNotCapable"/>: the JVM's way was asked for, and there is none.</exception>
    internal static JvmProcess? Select(CracEngineChoice choice, int processId, CancellationToken cancellation = default)
    {
        if (choice == CracEngineChoice.Criu)
        {
            return null;
        }

        JvmProcess? jvm = JvmProcess.Find(processId);
        if (choice == CracEngineChoice.Jvm && jvm is null)
        {
            throw new CracException(
                CracReason.JvmNotCapable, $"Process {processId} is not a HotSpot JVM, or may not be read.", "Leave out -Engine, or use -Engine Criu.");
        }

        if (choice == CracEngineChoice.Jvm || jvm is null or { IsAttachDisabled: true } or { IsCoordinated: true })
        {
            return jvm is { IsAttachDisabled: true } && choice == CracEngineChoice.Auto ? null : jvm;
        }

        // A JVM that does not know CRaC is asked nothing; of one that does, only what may stand in a file of options.
        // One that was given a directory knows CRaC, whatever its files look like, unless it was told to ignore what it does not know.
        bool isHidden = jvm is { HasOptionFiles: true, CheckpointTo: null, Support: CracSupport.Criu };
        return (isHidden || jvm.CheckpointTo is not null) && JvmAttachment.Open(jvm, null, cancellation).ReadFlag(TargetFlag, cancellation) is { Length: > 0 } ? jvm : null;
    }

    /// <summary>Has a JVM checkpoint itself.</summary>
    /// <param name="jvm">The JVM, as <see cref="Select"/> gave it.</param>
    /// <param name="request">What is wanted. Options of criu are the JVM's own business: any that is set is refused.</param>
    /// <param name="progress">Told of the phases and of the bytes written; null for nobody.</param>
    /// <param name="cancellation">
    /// Ends the wait while the JVM prepares itself; it may go on to checkpoint all the same. Once its criu works, that is
    /// waited for.
    /// </param>
    /// <param name="tree">The JVM and its descendants, as they were before.</param>
    /// <returns>The image, at the place asked for. The JVM's pids are not waited for.</returns>
    /// <exception cref="CracException">
    /// <see cref="CracReason.JvmRefused"/>, with what stood in the way as its findings; <see cref="CracReason.JvmNotCapable"/>;
    /// <see cref="CracReason.JvmNotAttachable"/>; or criu's own reason, where the JVM's criu failed. The JVM goes on.
    /// </exception>
    internal static CracImage Run(
        JvmProcess jvm, CheckpointRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation, out ProcessTree tree) =>
        new JvmCheckpoint(jvm, request, progress, cancellation).Run(out tree);

    private CracImage Run(out ProcessTree tree)
    {
        Report(CracPhase.Preparing);
        RequireFeasible();
        JvmAttachment attachment = JvmAttachment.Open(_jvm, null, _cancellation);
        string checkpointTo = ReadTarget(attachment);
        RequireCriu(attachment);
        using JvmImageDirectory directory = JvmImageDirectory.Prepare(_jvm, checkpointTo, _request.Force);
        ImageStaging? staging = null;
        try
        {
            staging = directory.Is(_request.ImagePath) ? null : ImageStaging.Create(_request.ImagePath, _request.Force);
            tree = ProcessTree.Read(_jvm.ProcessId);
            ImageManifest manifest = DescribeImage(tree);
            JvmDump dump = JvmDump.Run(_jvm, attachment, directory, _request.JvmTimeout, bytes => Report(CracPhase.Dumping, bytes), _cancellation);
            manifest = manifest with { LeaveRunning = dump.LeftRunning, CriuVersion = dump.CriuVersion };
            Report(CracPhase.Sealing);
            string path = Place(directory, staging, manifest);
            directory.Keep();
            return CracImage.Open(path);
        }
        catch
        {
            // Where only the placing failed, the image stays.
            if (!_isMade)
            {
                CleanUp(directory);
            }

            if (staging is not null && !_isPlaced)
            {
                staging.RollBack();
            }

            throw;
        }
        finally
        {
            staging?.Dispose();
        }
    }

    private void CleanUp(JvmImageDirectory directory)
    {
        // A criu that still works may yet end the JVM; once it has ended, what it wrote is all that is left of it.
        bool mayComplete = EngineCriu.Of(_jvm).IsRunning();
        if (!_jvm.Identity.IsRunning())
        {
            directory.KeepRemains();
        }
        else if (!mayComplete)
        {
            directory.PutBack();
        }
    }

    /// <summary>What there is to say of a JVM that runs after a checkpoint that was to end it.</summary>
    internal static string DescribeKeptRunning(JvmProcess jvm) =>
        $"The JVM {jvm.ProcessId} runs after the checkpoint: it was started to do so (keep_running, or CRAC_CRIU_LEAVE_RUNNING). A restore needs its ids and ports: end it before, with Stop-Process -Id {jvm.ProcessId}, or give -LeaveRunning where it is to run.";

    private void RequireFeasible()
    {
        RequireOwnCriu();
        if (_request.Options.LeaveRunning && !_jvm.KeepsRunning)
        {
            throw new CracException(
                CracReason.OptionRefused, "A JVM that checkpoints itself ends after it, unless it was started to continue.",
                "Start it with -XX:CRaCEngineOptions=keep_running=true (older builds: CRAC_CRIU_LEAVE_RUNNING=1 in its environment), or use -Engine Criu.");
        }

        Dictionary<string, object> options = _request.Options.ToNames();
        options.Remove("leave-running");
        options.Remove("shell-job"); // What the engine passes anyway.
        if (options.Count > 0)
        {
            throw new CracException(
                CracReason.OptionRefused, $"A JVM that checkpoints itself chooses criu's options: {string.Join(", ", options.Keys)} cannot be passed to it.",
                "Leave them out, start the JVM with -XX:CRaCEngineOptions=args=… (older builds: CRAC_CRIU_OPTS in its environment), or use -Engine Criu.");
        }
    }

    // Its engine was given its criu when the JVM was started.
    private void RequireOwnCriu()
    {
        if (_request.CriuPath is { } asked && _jvm.CriuPath is { } own && !IsSameFile(asked, own))
        {
            throw new CracException(
                CracReason.OptionRefused, $"A JVM that checkpoints itself uses its own criu, {own}: -CriuPath cannot be passed to it.",
                $"Leave out -CriuPath, start the JVM with {JvmEngine.OtherCriu}, or use -Engine Criu.");
        }
    }

    private bool IsSameFile(string here, string there) =>
        here == there
        || (FileStatus.TryRead(here, 0, out FileStatus mine, out _) && FileStatus.TryRead($"/proc/{_jvm.ProcessId}/root{there}", 0, out FileStatus its, out _)
            && mine.IsSameFile(its));

    // The JVM itself is asked: an option may have come from a file, or have been changed by a restore.
    private string ReadTarget(JvmAttachment attachment)
    {
        string? value = attachment.ReadFlag(TargetFlag, _cancellation);
        return value switch
        {
            null => throw new CracException(
                CracReason.JvmNotCapable, $"The JVM {_jvm.ProcessId} ({_jvm.Runtime?.Version ?? "version unknown"}) does not support CRaC.",
                "Use -Engine Criu, or start it with a CRaC build of OpenJDK."),
            "" => throw new CracException(
                CracReason.JvmNotCapable, $"The JVM {_jvm.ProcessId} supports CRaC, but was not started for it.",
                "Start it with -XX:CRaCCheckpointTo=DIRECTORY, or use -Engine Criu."),
            _ => value,
        };
    }

    // The JVM itself is asked here too: a build's default need not be criu.
    private void RequireCriu(JvmAttachment attachment)
    {
        if (JvmEngine.Read(attachment, _cancellation) is { } engine && !JvmEngine.IsCriu(engine))
        {
            throw new CracException(
                CracReason.ResourceUnsupported, $"The JVM {_jvm.ProcessId} checkpoints with the engine {engine}, whose images are not criu's.",
                "Start it with -XX:CRaCEngine=criuengine, or use -Engine Criu.");
        }
    }

    private ImageManifest DescribeImage(ProcessTree tree) => ImageManifestFactory.Describe(tree, isInside: tree.Root.Status.NamespaceProcessIds.Count > 1) with
    {
        Engine = "jvm",

        // What the engine passes to criu, and a restore without the engine has to repeat.
        Options = new Dictionary<string, object>(StringComparer.Ordinal) { ["shell-job"] = true },
        Start = _request.Start,
    };

    private string Place(JvmImageDirectory directory, ImageStaging? staging, ImageManifest manifest)
    {
        _isMade = true;
        if (staging is not null)
        {
            staging.HasProcess = false;
        }

        using FolderHandle made = directory.TryOpen() ?? throw new CracException(CracReason.ImageIncomplete, $"The JVM has ended, and {directory.OriginalPath} is not there.", null);
        try
        {
            if (staging is null || directory.Is(_request.ImagePath))
            {
                staging?.RollBack();
                ImageSeal.SealInPlace(made, manifest, sync: !_request.NoSync);
                _isPlaced = true;
                return directory.Describe();
            }

            // Other names rather than a move: until the new place stands, nothing is taken from the old one.
            List<string> names = [.. new DirectoryImageSource(made).Files.Select(static file => file.Name)];
            foreach (string name in names)
            {
                if (made.Link(name, staging.Folder, name) != 0)
                {
                    staging.RequireWritten(CopyWithOwner(made, name, staging.Folder));
                }
            }

            ImageSeal.Commit(staging, manifest, sync: !_request.NoSync);
            _isPlaced = true;
            staging.Finish();
            directory.Empty(made, names);
            return staging.TargetPath;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CracException)
        {
            throw new CracException(
                e is CracException known ? known.Reason : CracReason.SealFailed,
                $"The JVM made its image in {directory.Describe()}, but it could not be put in place at {_request.ImagePath}: {e.Message.TrimEnd('.')}. {(_jvm.Identity.IsRunning() ? "The JVM runs" : "The JVM has ended")}, and the image can be restored from where it is.",
                (e as CracException)?.RecommendedAction ?? "Move it by hand, or restore it from there.", e)
            {
                ImagePath = directory.Describe(),
            };
        }
    }

    // A copy of a file that the JVM's user wrote must not look like one that the caller wrote: a restore asks who could have.
    private static Errno CopyWithOwner(FolderHandle from, string name, FolderHandle to)
    {
        const uint PrivateFile = 0x180; // 0600
        Errno errno = from.Copy(name, to, name, PrivateFile);
        if (errno != 0 || !from.TryGetStatus(name, out FileStatus status, out errno))
        {
            return errno;
        }

        using SafeFileHandle copy = to.Open(name, LibC.O_WRONLY, out errno);
        return errno != 0 || status.UserId == LibC.GetEffectiveUserId() ? errno : LibC.ChangeOwner(copy, status.UserId, status.GroupId);
    }

    private void Report(CracPhase phase, long bytes = 0) => _progress?.Report(new CracProgress(phase, bytes, 0));
}
