using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using PSCrac.Images.Operations;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Format;

/// <summary>Compares decoded images with the output of crit, the tool of criu.</summary>
[Collection(Zoo.Collection)]
public class CritTests(Zoo zoo)
{
    // crit has no handler for these, or they are not in criu's format.
    private static readonly HashSet<string> s_unknownToCrit =
    [
        "PAGES", "TMPFS_DEV", "TMPFS_IMG", "IFADDR", "ROUTE", "ROUTE6", "RULE", "IPTABLES", "IP6TABLES", "NFTABLES", "NETNF_CT", "NETNF_EXP",
        "BINFMT_MISC", "PIDFD", "SIGNAL", "IRMAP_CACHE",
    ];

    [CriuFact("python3", "crit")]
    public void The_zoo_on_the_host_is_decoded_as_by_crit() => Compare(zoo.Host, atLeast: 24);

    [CriuFact("python3", "crit", "unshare", "ip")]
    public void The_zoo_in_its_own_namespaces_is_decoded_as_by_crit() => Compare(zoo.Namespaces, atLeast: 32);

    [CriuFact("node", "crit")]
    public void A_node_process_is_decoded_as_by_crit()
    {
        using DumpedProcess dumped = DumpedProcess.Of(
            ["node", "-e", "require('http').createServer(() => {}).listen(0, '127.0.0.1', () => require('fs').writeFileSync(process.env.READY, ''))"],
            "--tcp-established", "--network-lock", "skip");
        CracImage image = CracImage.Open(dumped.Path);
        Assert.Single(image.Sockets, s => s is { Family: CracSocketFamily.Inet, State: CracSocketState.Listening });
        Assert.Contains(image.Processes[0].Files, f => f.Kind == CracFileKind.EventPoll);
        Assert.Equal("node", Path.GetFileName(image.Processes[0].Executable));
        Compare(image, atLeast: 10);
    }

    [CriuFact("javac", "java", "crit")]
    public void A_JVM_is_decoded_as_by_crit()
    {
        string folder = Directory.CreateTempSubdirectory("pscrac-java-").FullName;
        try
        {
            File.WriteAllText(folder + "/Main.java", """
                public class Main {
                    public static void main(String[] args) throws Exception {
                        new java.io.File(System.getenv("READY")).createNewFile();
                        Thread.sleep(1000000);
                    }
                }
                """);
            Assert.Equal(0, CriuProgram.RunProgram("javac", "-d", folder, folder + "/Main.java").ExitCode);
            using DumpedProcess dumped = DumpedProcess.Of(["java", "-XX:-UsePerfData", "-cp", folder, "Main"]);
            CracImage image = CracImage.Open(dumped.Path);
            Assert.Equal(["java", "-XX:-UsePerfData", "-cp", folder, "Main"], image.CommandLine);
            Assert.InRange(image.ThreadCount, 8, 1000);
            Compare(image, atLeast: 10);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [CriuFact("crit")]
    public void The_counter_is_decoded_as_by_crit()
    {
        string counter = Path.Combine(AppContext.BaseDirectory, "counter.dll");
        using DumpedProcess dumped = DumpedProcess.OfScript($"exec dotnet '{counter}' --output \"$READY\"", "--file-locks");
        CracImage image = CracImage.Open(dumped.Path);
        Assert.Contains("--output", image.CommandLine);
        Assert.Contains(image.Environment, e => e.StartsWith("READY=", StringComparison.Ordinal));
        Compare(image, atLeast: 10);
    }

    [CriuFact("crit")]
    public void A_tree_of_301_processes_is_decoded_as_by_crit()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript("for i in {1..300}; do sleep 1000 & done; : > \"$READY\"; wait");
        CracImage image = CracImage.Open(dumped.Path);
        Assert.Equal(301, image.Processes.Count);
        Compare(image, atLeast: 10);
    }

    private static void Compare(CracImage image, int atLeast)
    {
        Assert.Empty(ImageCheck.Run(image));
        ImageTraversal.Run(image);
        var reader = new ImageContentReader(image);
        string[] files = [.. reader.ListFiles()
            .Where(f => !s_unknownToCrit.Contains(f.Type))
            .GroupBy(f => f.Type)
            .SelectMany(type => type.Take(2))
            .Select(f => f.File)];
        var ours = files.ToDictionary(f => f, f => ToJson(reader.ReadFile(f)));
        Parallel.ForEach(files, new ParallelOptions { MaxDegreeOfParallelism = 2 }, file =>
        {
            JsonNode theirs = JsonNode.Parse(Crit(Path.Combine(image.Path, file)))!["entries"]!;
            if (!JsonNode.DeepEquals(theirs, ours[file]))
            {
                Assert.Equal($"{file} {theirs}", $"{file} {ours[file]}");
            }
        });
        Assert.True(ours.Count >= atLeast, $"only {ours.Count} files: {string.Join(' ', files)}");
    }

    private static JsonArray ToJson(IEnumerable<CracImageEntry> entries)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartArray();
            foreach (CracImageEntry entry in entries)
            {
                entry.WriteTo(writer);
            }

            writer.WriteEndArray();
        }

        return JsonNode.Parse(stream.ToArray())!.AsArray();
    }

    private static string Crit(string file)
    {
        using Process crit = Process.Start(new ProcessStartInfo(CriuProgram.Find("crit")!, ["decode", "-i", file])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> error = crit.StandardError.ReadToEndAsync();
        string text = crit.StandardOutput.ReadToEnd();
        crit.WaitForExit();
        Assert.True(crit.ExitCode == 0, $"crit fails on {file}: {error.Result}");
        return text;
    }
}
