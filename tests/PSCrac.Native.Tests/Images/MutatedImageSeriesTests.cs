using System.Globalization;
using System.Text.RegularExpressions;
using PSCrac.Images.Manifest;
using PSCrac.Tests.Images.Manifest;
using PSCrac.Tests.Images.Memory;
using PSCrac.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace PSCrac.Tests.Images;

/// <summary>
/// Reads 20,000 mutated images of seven kinds of program, and of one whose memory is compressed, in a process whose memory is limited. CRAC_FUZZ_SEED repeats another run,
/// CRAC_FUZZ_CASES makes it longer.
/// </summary>
[Collection(Zoo.Collection)]
public partial class MutatedImageSeriesTests(Zoo zoo, ITestOutputHelper output)
{
    private const int FixedSeed = 12_2026;
    private const int HeapLimitMegabytes = 256;
    private const int DataLimitMegabytes = 1024;
    private const int PeakLimitMegabytes = 400;

    [CriuFact("python3", "unshare", "ip")]
    public void Mutated_images_give_objects_or_an_error_within_a_memory_limit()
    {
        int seed = Setting("CRAC_FUZZ_SEED", FixedSeed);
        int cases = Setting("CRAC_FUZZ_CASES", 20_000);
        Console.WriteLine($"mutated images: seed {seed}, {cases} cases");
        string folder = Directory.CreateTempSubdirectory("pscrac-mutated-").FullName;
        try
        {
            Copy(zoo.Host.Path, folder, "python");
            Copy(zoo.Namespaces.Path, folder, "namespaces");
            foreach ((string name, string script) in ((string, string)[])
            [
                ("coreutils", ": > $READY; exec sleep 1000"),
                ("shell", "mkfifo $READY.fifo; sleep 1000 | cat >/dev/null & exec 5<>$READY.fifo; : > $READY; wait"),
                ("perl", "exec perl -e 'my @kept = map { \"line $_\" } 1..5000; open(my $f, \">\", $ENV{READY}); close $f; sleep 1 while 1'"),
                ("awk", "exec awk 'BEGIN { for (i = 0; i < 5000; i++) kept[i] = i; printf \"\" > ENVIRON[\"READY\"]; close(ENVIRON[\"READY\"]); while (1) system(\"exec sleep 1000\") }'"),
                ("threads", "exec python3 -c 'import os, threading, time; [threading.Thread(target=time.sleep, args=(1000,)).start() for _ in range(20)]; open(os.environ[\"READY\"], \"w\").close()'"),
            ])
            {
                using DumpedProcess dumped = DumpedProcess.OfScript(script, "--link-remap", "--ghost-limit", "1M");
                Copy(dumped.Path, folder, name);
                if (name == "coreutils")
                {
                    Copy(dumped.Path, folder, "compressed");
                    CompressedImage.Create(Path.Combine(folder, "compressed"), 16);
                }
            }

            string limited = $"ulimit -d {DataLimitMegabytes << 10}; exec \"$@\"";
            (int exitCode, string text, string error) = Helper.RunCommand(
                new Dictionary<string, string?> { ["DOTNET_GCHeapHardLimit"] = (HeapLimitMegabytes << 20).ToString("x", CultureInfo.InvariantCulture), ["DOTNET_gcServer"] = "0" },
                ["/bin/bash", "-c", limited, "bash", .. Helper.Command("mutate", folder, $"{seed}", $"{cases}")]);
            output.WriteLine(text);
            Console.WriteLine(text.TrimEnd());
            Assert.True(exitCode == 0, $"{text}{error}");
            Match done = Done().Match(text);
            Assert.True(done.Success, text);
            Assert.Equal(cases, int.Parse(done.Groups[1].Value, CultureInfo.InvariantCulture));
            Assert.InRange(int.Parse(done.Groups[2].Value, CultureInfo.InvariantCulture), 5, 100);
            Assert.InRange(int.Parse(done.Groups[3].Value, CultureInfo.InvariantCulture), 0, PeakLimitMegabytes << 10);

            // Most are damaged where it shows, and some are not.
            Assert.Contains("ImageCorrupt", text, StringComparison.Ordinal);
            Assert.Contains("ImageIncomplete", text, StringComparison.Ordinal);
            Assert.Contains("objects", text, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_memory_limit_is_met_by_what_exceeds_it()
    {
        // The limit is one: a process that takes more than it fails.
        (int exitCode, _, string error) = Helper.RunCommand(
            new Dictionary<string, string?> { ["DOTNET_GCHeapHardLimit"] = (HeapLimitMegabytes << 20).ToString("x", CultureInfo.InvariantCulture) },
            Helper.Command("take", $"{HeapLimitMegabytes + 64}"));
        Assert.NotEqual(0, exitCode);
        Assert.Contains("memory", error, StringComparison.OrdinalIgnoreCase);
    }

    private static int Setting(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), out int value) ? value : otherwise;

    private static void Copy(string image, string folder, string name)
    {
        string copy = Path.Combine(folder, name);
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(image))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        // The command, the process id and the counts of the others come from criu's files.
        if (name.Length > 5)
        {
            return;
        }

        using FileStream manifest = File.Create(Path.Combine(copy, ImageManifest.FileName));
        ImageManifestTests.Sample().Write(manifest);
    }

    [GeneratedRegex(@"done (\d+) cases of (\d+) images in \d+ s, peak (\d+) kB")]
    private static partial Regex Done();
}
