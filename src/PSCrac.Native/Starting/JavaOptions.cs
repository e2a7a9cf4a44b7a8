using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Jvm;

namespace PSCrac.Starting;

/// <summary>Options for a <c>java</c> so that it can be checkpointed. The caller's own arguments follow them, and override them.</summary>
internal static class JavaOptions
{
    private const string CriuPathVariable = "CRAC_CRIU_PATH";
    private const string KeepRunningVariable = "CRAC_CRIU_LEAVE_RUNNING";

    /// <summary>Chooses the options. Reads the runtime's files, and does not run it.</summary>
    /// <param name="request">The start.</param>
    /// <param name="path">The path of the program.</param>
    /// <param name="environment">Its environment, to which variables may be added.</param>
    /// <param name="decisions">Receives a sentence for each decision.</param>
    internal static List<string> Choose(StartRequest request, string path, IDictionary<string, string> environment, List<string> decisions)
    {
        if (Path.GetFileName(path) != "java")
        {
            return [];
        }

        // A JVM keeps a file of its performance data in /tmp, named after its pid. It removes the file when it ends, and any other JVM
        // that starts removes the file of one that does not run: no image could then be restored.
        decisions.Add("-XX:-UsePerfData was put before the arguments of java: its file in /tmp would not exist at a restore.");
        List<string> options = ["-XX:-UsePerfData"];
        if (IsLeftToCriu(request) || JavaRuntime.TryFind(path) is not { Support: CracSupport.Criu } runtime)
        {
            return options;
        }

        JvmArguments given = JvmArguments.Parse([path, .. request.Arguments], environment.AsReadOnly());
        if (given.CheckpointTo is null)
        {
            string target = NewTarget(request);
            options.Add($"-XX:CRaCCheckpointTo={target}");
            decisions.Add($"-XX:CRaCCheckpointTo={target} was put before the arguments of java, whose runtime supports CRaC. -Engine Criu leaves it out.");
        }

        PassCriu(request.CriuPath, runtime, given, environment, options, decisions);
        if ((request.LeaveRunning || request.OrRestore) && !given.KeepsRunning && given.EngineOptions is null)
        {
            if (runtime.WritesImagePath)
            {
                environment[KeepRunningVariable] = "1";
                decisions.Add($"{KeepRunningVariable} was set for java, so that it continues after its checkpoint.");
            }
            else
            {
                options.Add("-XX:CRaCEngineOptions=keep_running=true");
                decisions.Add("-XX:CRaCEngineOptions=keep_running=true was put before the arguments of java, so that it continues after its checkpoint.");
            }
        }

        return options;
    }

    // The JVM's engine starts the criu that it is given here; a checkpoint cannot give it another.
    private static void PassCriu(
        string? path, JavaRuntime runtime, JvmArguments given, IDictionary<string, string> environment, List<string> options, List<string> decisions)
    {
        if (path is null || given.CriuPath is not null || environment.ContainsKey(CriuPathVariable))
        {
            return;
        }

        if (runtime.FeatureVersion >= JvmEngine.WithoutVariables)
        {
            options.Add($"-XX:CRaCEngineOptions=criu_location={path}");
            decisions.Add($"-XX:CRaCEngineOptions=criu_location={path} was put before the arguments of java, for its own checkpoint.");
        }
        else
        {
            environment[CriuPathVariable] = path;
            decisions.Add($"{CriuPathVariable} was set for java to {path}, for its own checkpoint.");
        }
    }

    // java itself restores only to the pids of the image. And a java that is started to restore needs no target.
    private static bool IsLeftToCriu(StartRequest request) =>
        request.Engine == CracEngineChoice.Criu || request.PidNamespace == CracPidNamespace.New
        || request.Arguments.Any(static argument => argument.StartsWith("-XX:CRaCRestoreFrom", StringComparison.Ordinal));

    // Not the image's own path: the JVM's engine writes file by file, and an image appears complete or not at all. It is on the same
    // file system, so that it becomes the image by a rename.
    private static string NewTarget(StartRequest request)
    {
        const uint FolderMode = 0x1ED; // 0755
        string folder = request.ImagePath is { } image ? Path.GetDirectoryName(Path.GetFullPath(image))! : ImageRoot.Path;
        using FolderHandle above = FolderHandle.Make(folder, FolderMode, out Errno errno) ?? throw new CracException(
            errno is Errno.EACCES or Errno.EPERM or Errno.EROFS ? CracReason.PermissionDenied : CracReason.SealFailed,
            $"The folder {folder} could not be created: {LibC.Message(errno)}.",
            "Give -ImagePath in a folder that you may write to.");
        return Path.Combine(folder, $".pscrac-{Guid.NewGuid():N}.crac");
    }
}
