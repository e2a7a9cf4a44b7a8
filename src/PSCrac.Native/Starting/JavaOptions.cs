using PSCrac.Images.Operations;
using PSCrac.Jvm;

namespace PSCrac.Starting;

/// <summary>What a <c>java</c> is given so that it can be checkpointed. The caller's own arguments come later, and win.</summary>
internal static class JavaOptions
{
    private const string KeepRunningVariable = "CRAC_CRIU_LEAVE_RUNNING";

    /// <summary>Chooses them. The runtime's files are looked at; nothing of it is run.</summary>
    /// <param name="request">What is started.</param>
    /// <param name="path">The program's file.</param>
    /// <param name="environment">What it gets as its environment, which may be added to.</param>
    /// <param name="decisions">Gets a sentence for each thing that was decided.</param>
    internal static List<string> Choose(StartRequest request, string path, IDictionary<string, string> environment, List<string> decisions)
    {
        if (Path.GetFileName(path) != "java")
        {
            return [];
        }

        // A JVM keeps a file of its performance data open in /tmp, named after its pid, which it removes when it ends and
        // which every other JVM removes that starts while it does not run: no image could then be restored.
        decisions.Add("-XX:-UsePerfData was put before the arguments of java: its file in /tmp does not last until a restore.");
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
            decisions.Add($"-XX:CRaCCheckpointTo={target} was put before the arguments of java, whose runtime knows CRaC. -Engine Criu leaves that out.");
        }

        if ((request.LeaveRunning || request.OrRestore) && !given.KeepsRunning && given.EngineOptions is null)
        {
            if (runtime.WritesImagePath)
            {
                environment[KeepRunningVariable] = "1";
                decisions.Add($"{KeepRunningVariable} was set for java, so that it goes on after its checkpoint.");
            }
            else
            {
                options.Add("-XX:CRaCEngineOptions=keep_running=true");
                decisions.Add("-XX:CRaCEngineOptions=keep_running=true was put before the arguments of java, so that it goes on after its checkpoint.");
            }
        }

        return options;
    }

    // java itself restores to the ids of the image only. And a java that is told to restore has its image.
    private static bool IsLeftToCriu(StartRequest request) =>
        request.Engine == CracEngineChoice.Criu || request.PidNamespace == CracPidNamespace.New
        || request.Arguments.Any(static argument => argument.StartsWith("-XX:CRaCRestoreFrom", StringComparison.Ordinal));

    // Not the image's own path: the JVM's engine writes there file by file, and an image is made whole or not at all. It is
    // on the same file system, so that the image need not be copied from there.
    private static string NewTarget(StartRequest request)
    {
        string folder = request.ImagePath is { } image ? Path.GetDirectoryName(Path.GetFullPath(image))! : ImageRoot.Path;
        Directory.CreateDirectory(folder);
        return Path.Combine(folder, $".pscrac-{Guid.NewGuid():N}.crac");
    }
}
