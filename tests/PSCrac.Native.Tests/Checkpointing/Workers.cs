using PSCrac.Procfs;

namespace PSCrac.Tests.Checkpointing;

/// <summary>The criu workers that a process has, found from outside: its children that run as "criu swrk".</summary>
internal static class Workers
{
    internal static int[] OfThisProcess() => Of(Environment.ProcessId);

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
