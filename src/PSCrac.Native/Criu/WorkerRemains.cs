using System.Text;
using PSCrac.Interop;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Criu;

/// <summary>
/// What a criu worker leaves when it is killed: scripts, programs that it runs, and children with which it probes the kernel, some of
/// them stopped. They are init's children then, so they are found by the worker's process group, which the scripts may have left, and
/// by a variable in the environment that all of them inherit.
/// </summary>
internal static class WorkerRemains
{
    private const string MarkVariable = "PSCRAC_WORKER";

    // A process may start another one while the others are looked for.
    private const int MaximumPasses = 20;

    /// <summary>Makes the variable of a new worker's environment, as NAME=VALUE.</summary>
    internal static string CreateMark() => $"{MarkVariable}={Guid.NewGuid():N}";

    /// <summary>Whether this is the variable of another worker, from which this process descends.</summary>
    internal static bool IsMark(string variableName) => variableName == MarkVariable;

    /// <summary>Kills all of them.</summary>
    /// <param name="group">The id of the worker's process group: the pid of a worker that has not been reaped.</param>
    /// <param name="mark">The variable that the worker was started with.</param>
    internal static void Kill(int group, string mark)
    {
        LibC.Kill(-group, LibC.SIGKILL);
        byte[] variable = Encoding.UTF8.GetBytes(mark);
        for (int pass = 0; pass < MaximumPasses && KillMarked(variable); pass++)
        {
        }
    }

    private static bool KillMarked(byte[] variable)
    {
        bool hasFound = false;
        foreach (int id in ProcessDirectory.ReadProcessIds() ?? [])
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(id);
            if (directory is not null && IsMarked(directory, variable) && ProcessStatus.TryReadStat(directory) is { HasEnded: false } status)
            {
                ProcessKill.Kill(status.Identity);
                hasFound = true;
            }
        }

        return hasFound;
    }

    // A zombie has no environment any more.
    private static bool IsMarked(ProcessDirectory directory, byte[] variable)
    {
        if (!directory.TryRead("environ", out ProcText text))
        {
            return false;
        }

        using (text)
        {
            return text.Bytes.IndexOf(variable) >= 0;
        }
    }
}
