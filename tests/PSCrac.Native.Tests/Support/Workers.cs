using PSCrac.Procfs;

namespace PSCrac.Tests.Support;

/// <summary>The criu workers that a process has, found from outside: its children that run as "criu swrk".</summary>
internal static class Workers
{
    internal static int[] OfThisProcess() => Of(Environment.ProcessId);

    /// <summary>
    /// Those of this process, where there must be one: waited for, since a process that is just becoming another program has no
    /// command line.
    /// </summary>
    internal static int[] Await()
    {
        int[] workers = [];
        Wait.Until(() => (workers = OfThisProcess()).Length > 0, static () => "there is no worker");
        return workers;
    }

    internal static int[] Of(int parent) =>
        [.. ProcessTree.Read(parent).Members
            .Where(member => member.Status.ParentProcessId == parent && !member.Status.HasEnded && IsWorker(member.ProcessId))
            .Select(member => member.ProcessId)];

    private static bool IsWorker(int processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/cmdline").Split('\0').Contains("swrk");
        }
        catch (IOException)
        {
            return false;
        }
    }
}
