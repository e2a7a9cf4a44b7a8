using System.Text.Json;
using System.Text.Json.Nodes;
using PSCrac.Restoring;
using PSCrac.Running;
using PSCrac.Starting;
using PSCrac.Tests.Starting;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Running;

/// <summary>Records of running processes: written by a start and a restore, and believed only where the process is there.</summary>
public sealed class RunningProcessesTests
{
    [Fact]
    public void A_started_program_is_found_until_it_ends()
    {
        CracStartedProcess process = StartOperation.Run(new StartRequest { FilePath = "/bin/sleep", Arguments = ["1000"], Service = "naps" }).Process;
        try
        {
            RunningProcess record = Find(process.Id)!;
            Assert.Equal("/bin/sleep 1000", record.Command);
            Assert.Equal("naps", record.Service);
            Assert.Null(record.ImagePath);
            Assert.Null(record.NamespaceInitId);
            Assert.InRange(record.Since, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow);
            Assert.True(File.Exists(PathOf(record)));
            process.End();
            Assert.Null(Find(process.Id));
            Assert.False(File.Exists(PathOf(record)));
        }
        finally
        {
            process.End();
        }
    }

    [CriuFact("python3")]
    public void A_restored_tree_is_found_with_its_image_and_its_namespace()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        Assert.Null(Find(subject.ProcessId));
        using CracRestoredProcess restored = subject.Restore();
        Assert.Equal(subject.ImagePath, Find(restored.Id)!.ImagePath);
        Assert.Null(Find(restored.Id)!.NamespaceInitId);
        using CracRestoredProcess beside = Restore.Run(new() { Image = CracImage.Open(subject.ImagePath), PidNamespace = CracPidNamespace.New });
        RunningProcess record = Find(beside.Id)!;
        Assert.Equal(beside.NamespaceInitId, record.NamespaceInitId);
        Assert.NotEqual(restored.Id, beside.Id);
        using var init = System.Diagnostics.Process.GetProcessById(beside.NamespaceInitId!.Value);
        init.Kill();
        Assert.True(beside.WaitForExit(Wait.Limit));
        Wait.Until(() => Find(beside.Id) is null, () => "the record stays");
    }

    [Theory]
    [InlineData("startTimeTicks", "1")]
    [InlineData("bootId", "\"other\"")]
    [InlineData("processId", "4194303")]
    [InlineData("since", "\"\"")]
    public void A_record_that_is_not_of_a_running_process_is_not_believed_and_removed(string field, string value)
    {
        CracStartedProcess process = StartOperation.Run(new StartRequest { FilePath = "/bin/sleep", Arguments = ["1000"] }).Process;
        try
        {
            string path = PathOf(Find(process.Id)!);
            JsonObject record = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
            record[field] = JsonNode.Parse(value);
            File.WriteAllText(path, record.ToJsonString());
            Assert.Null(Find(process.Id));
            Assert.False(File.Exists(path));
        }
        finally
        {
            process.End();
        }
    }

    [Fact]
    public void A_record_of_a_container_is_left_alone()
    {
        CracStartedProcess process = StartOperation.Run(new StartRequest { FilePath = "/bin/sleep", Arguments = ["1000"] }).Process;
        try
        {
            RunningProcess other = Find(process.Id)! with { PidNamespace = 1 };
            File.WriteAllBytes(PathOf(other), JsonSerializer.SerializeToUtf8Bytes(other, RunningProcessJson.Default.RunningProcess));
            Assert.DoesNotContain(other, RunningProcesses.Read());
            Assert.True(File.Exists(PathOf(other)));
            File.Delete(PathOf(other));
        }
        finally
        {
            process.End();
        }
    }

    private static RunningProcess? Find(int processId) => RunningProcesses.Read().FirstOrDefault(record => record.ProcessId == processId);

    private static string PathOf(RunningProcess record) => Path.Combine(RunningProcesses.Folder, $"{record.PidNamespace}-{record.ProcessId}.json");
}
