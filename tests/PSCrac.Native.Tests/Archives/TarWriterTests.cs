using PSCrac.Archives;
using PSCrac.Images.Storage;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives;

public class TarWriterTests
{
    private const long Large = (9L << 30) + 5;
    private static readonly string s_longName = "checkpoint/" + new string('é', 60) + ".img";

    [Fact]
    public void Long_names_and_sizes_above_8_GiB_are_read_back()
    {
        using var content = new MemoryStream();
        var writer = new TarWriter(content, DateTimeOffset.UnixEpoch);
        writer.BeginFile(s_longName, 0);
        writer.BeginFile("pages-1.img", Large);
        content.Position = 0;
        var scanner = new TarScanner(content, "/archive", "archive", new NameBudget());
        Assert.Equal((s_longName, 0), scanner.NextEntry() is { } first ? (first.Name, first.Length) : default);
        Assert.Equal(("pages-1.img", Large), scanner.NextEntry() is { } second ? (second.Name, second.Length) : default);
    }

    [ProgramFact("tar")]
    public void Tar_lists_a_file_above_8_GiB()
    {
        using var folder = new TemporaryFolder();
        using (FileStream file = File.Create(folder.At("large.tar")))
        {
            var writer = new TarWriter(file, DateTimeOffset.UnixEpoch);
            writer.BeginFile(s_longName, Large);

            // The content is a hole, which takes no space.
            file.Position += Large;
            writer.EndFile(Large);
            writer.BeginFile("after", 3);
            file.Write("abc"u8);
            writer.EndFile(3);
            writer.WriteEnd();
        }

        using var tar = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("tar", ["--quoting-style=literal", "--numeric-owner", "--utc", "-tvf", folder.At("large.tar")])
        {
            RedirectStandardOutput = true,
            Environment = { ["LC_ALL"] = "C.UTF-8" },
        })!;
        string[] lines = tar.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        tar.WaitForExit();
        Assert.Equal([$"-rw------- 0/0      {Large} 1970-01-01 00:00 {s_longName}", "-rw------- 0/0               3 1970-01-01 00:00 after"], lines);
    }
}
