using PSCrac.PidNamespaces;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.PidNamespaces;

public class NamespaceInitTests
{
    [CriuFact]
    public void Its_threads_do_not_use_ids_of_the_image()
    {
        int[] ids = [2, 3, 4, 5, 400];
        using NamespaceInitProcess init = NamespaceInitProcess.Start(ids, 2, CancellationToken.None);

        Assert.Empty(InnerThreadIds(init).Intersect(ids));
        Assert.Equal(1, ProcessStatus.TryRead(init.ProcessId)!.InnermostProcessId);
    }

    [CriuFact]
    public void It_ends_with_its_session_unless_released()
    {
        NamespaceInitProcess init = NamespaceInitProcess.Start([500], 500, CancellationToken.None);
        int id = init.ProcessId;

        init.Dispose();

        Assert.Null(ProcessStatus.TryRead(id));
    }

    [CriuFact]
    public void A_cancelled_start_leaves_no_process()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();

        Assert.Throws<OperationCanceledException>(() => NamespaceInitProcess.Start([500], 500, cancelled.Token));
    }

    [CriuFact]
    public void Without_a_dotnet_the_running_program_is_the_host()
    {
        // An executable of .NET of its own, as the pwsh of a package is.
        string counter = Path.Combine(AppContext.BaseDirectory, "counter");
        NamespaceInitHost host = NamespaceInitHost.FindForAssembly([], counter);

        using NamespaceInitProcess init = NamespaceInitProcess.Start([2, 3, 4, 5], 2, CancellationToken.None, host);

        Assert.Equal(counter, host.Program);
        Assert.Empty(InnerThreadIds(init).Intersect([2, 3, 4, 5]));
    }

    [Fact]
    public void A_dotnet_without_a_runtime_is_skipped()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("dotnet"), "");
        Directory.CreateDirectory(folder.At("shared/Microsoft.NETCore.App/9.0.1"));
        NamespaceInitHost old = NamespaceInitHost.FindForAssembly([folder.FullPath], "/opt/host");
        Directory.CreateDirectory(folder.At("shared/Microsoft.NETCore.App/10.0.0"));
        NamespaceInitHost host = NamespaceInitHost.FindForAssembly([folder.FullPath], "/opt/host");

        Assert.Equal("/opt/host", old.Program);
        Assert.Contains(old.Environment, variable => variable.StartsWith("DOTNET_STARTUP_HOOKS=", StringComparison.Ordinal));
        Assert.Equal(folder.At("dotnet"), host.Program);
    }

    [Theory]
    [InlineData(new[] { 500 }, 32768, 500)]
    [InlineData(new[] { 2, 5000 }, 32768, 300)]
    [InlineData(new[] { 400, 2300, 32000 }, 32768, 2300)]
    [InlineData(new[] { 1500, 2500 }, 3000, 300)]
    public void New_ids_begin_in_a_gap_with_enough_room(int[] ids, int maximum, int expected) =>
        Assert.Equal(expected, PidGap.FindStart(ids, maximum));

    private static List<int> InnerThreadIds(NamespaceInitProcess init)
    {
        var ids = new List<int>();
        foreach (string thread in Directory.EnumerateDirectories($"/proc/{init.ProcessId}/task"))
        {
            string line = File.ReadLines(Path.Combine(thread, "status")).First(text => text.StartsWith("NSpid:", StringComparison.Ordinal));
            ids.Add(int.Parse(line.Split('\t')[^1]));
        }

        return ids;
    }
}
