using PSCrac.Checkpointing;
using PSCrac.Criu;
using PSCrac.Images.Operations;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Restoring;
using PSCrac.Starting;
using PSCrac.Tests.Images;
using PSCrac.Tests.Images.Memory;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>Memory that criu is to compress or to decompress: foretold by what this criu can, and done where it can.</summary>
public class CompressionTests
{
    private static readonly bool s_isSupported = CriuFeature.IsSupported(null, CriuFeature.Compression) == true;

    [CriuFact("python3")]
    public void A_checkpoint_compresses_or_is_refused_before_the_process_is_frozen()
    {
        using var subject = Subject.Counting();
        var options = new CheckpointOptions { Compress = true };
        CracFinding? finding = ProcessPreflight.Examine(subject.ProcessId, new PreflightOptions { Checkpoint = options }).Findings
            .FirstOrDefault(static each => each.Reason == CracReason.CriuFeatureMissing);
        Assert.Equal(s_isSupported, finding is null);
        if (s_isSupported)
        {
            Assert.True(subject.Checkpoint(options).Image.IsCompressed);
            return;
        }

        CracException e = Assert.Throws<CracException>(() => subject.Checkpoint(options));
        Assert.Equal(CracReason.CriuFeatureMissing, e.Reason);
        Assert.Contains("-CriuPath", e.RecommendedAction, StringComparison.Ordinal);
        Assert.False(Directory.Exists(subject.ImagePath));
    }

    [CriuTheory]
    [InlineData("compress-block", "256K")]
    [InlineData("compress-acceleration", 2)]
    [InlineData("image-io-mode", "direct")]
    public void Options_of_a_later_criu_are_refused_by_name(string option, object value)
    {
        using var subject = Subject.Counting();
        var options = new CheckpointOptions { CriuOption = new Dictionary<string, object?> { [option] = value } };
        IReadOnlyList<CracFinding> findings = ProcessPreflight.Examine(subject.ProcessId, new PreflightOptions { Checkpoint = options }).Findings;
        bool isOlder = CriuInstallation.Locate().GetVersion() < OptionTable.Find(option)!.Since;
        bool isRefused = isOlder || (option.StartsWith("compress", StringComparison.Ordinal) && !s_isSupported);
        Assert.Equal(isRefused, findings.Any(static each => each.Reason == CracReason.CriuFeatureMissing));
        Assert.Equal(isOlder, findings.Any(each => each.What == $"the option {option}"));
    }

    [CriuFact("python3")]
    public void Without_the_preflight_the_failure_of_criu_is_explained()
    {
        using var run = new CriuRun("");
        CracException? failure = run.Dump(new() { Compress = true });
        Assert.Equal(s_isSupported, failure is null);
        CracReason expected = CriuInstallation.Locate().GetVersion() < OptionTable.Compress.Since ? CracReason.OptionRefused : CracReason.CriuFeatureMissing;
        Assert.True(s_isSupported || failure!.Reason == expected, failure?.ToString());
    }

    [CriuFact("python3")]
    public void A_start_is_refused_before_the_program_runs()
    {
        using var folder = new TemporaryFolder();
        var started = new List<CracStartedProcess>();
        var request = new StartRequest { FilePath = PythonProgram.Path!, Arguments = ["-c", "import time; time.sleep(1000)"], ImagePath = folder.At("image"), Compress = true };
        if (s_isSupported)
        {
            Assert.True(StartOperation.Run(request).Process.Image!.IsCompressed);
            return;
        }

        CracException e = Assert.Throws<CracException>(() => StartOperation.Run(request, started: started.Add));
        Assert.Equal(CracReason.CriuFeatureMissing, e.Reason);
        Assert.Empty(started);
    }

    [CriuTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_restore_of_compressed_memory_is_refused_where_this_criu_cannot(bool ofParent)
    {
        using var subject = Subject.Counting();
        CracImage plain = subject.Checkpoint().Image;
        Assert.True(RestorePreflight.Examine(new RestoreRequest { Image = plain }).CanRestore);
        string image = subject.ImagePath;
        if (ofParent)
        {
            image = subject.Folder.At("parent");
            Directory.CreateDirectory(image);
            File.Copy(Path.Combine(subject.ImagePath, "inventory.img"), Path.Combine(image, "inventory.img"));
            Directory.CreateSymbolicLink(Path.Combine(subject.ImagePath, "parent"), image);
        }
        else
        {
            File.Delete(Path.Combine(image, "pscrac.json"));
        }

        CompressedImage.Create(image, 16);
        bool isOlder = CriuInstallation.Locate().GetVersion() < OptionTable.Compress.Since;
        CracReason expected = isOlder && !ofParent ? CracReason.ImageTooNew : CracReason.CriuFeatureMissing;
        var request = new RestoreRequest { Image = CracImage.Open(subject.ImagePath), PidTimeout = Wait.Limit };
        Assert.Equal(!s_isSupported, RestorePreflight.Examine(request).Findings.Any(each => each.Reason == expected && each.Severity == CracFindingSeverity.Blocker));
        Assert.True(s_isSupported || Assert.Throws<CracException>(() => Restore.Run(request)).Reason == expected);
    }

    [CriuFeatureFact("compress")]
    public void What_criu_compresses_reads_as_what_it_does_not()
    {
        const string Program = """
            import os, time
            kept = [bytes(4 << 20), os.urandom(1 << 20), b"COMPRESSED " + b"SECRET", [str(i) for i in range(20000)]]
            open(os.environ["READY"], "w").close()
            time.sleep(1000)
            """;
        foreach (string[] options in (string[][])[["--compress"], ["--compress", "--compress-block", "4K"], ["--compress", "--compress-block", "1M"]])
        {
            using DumpedProcess dumped = DumpedProcess.Of([PythonProgram.Path!, "-c", Program, "an argument"], options);
            CracImage image = CracImage.Open(dumped.Path);
            Assert.True(image.IsCompressed);
            Assert.True(image.Size < image.Memory / 2, $"{image.Size} of {image.Memory} bytes");
            Assert.Equal("an argument", image.CommandLine[^1]);
            Assert.Contains(image.Environment, static each => each.StartsWith("READY=", StringComparison.Ordinal));
            CracMemoryMatch match = new MemorySearch(image, MemoryPattern.FromString("COMPRESSED SECRET")).Run().First();
            Assert.Equal("COMPRESSED SECRET"u8, image.Processes[0].ReadMemory(match.Address, match.Length));
            Assert.Empty(ImageCheck.Run(image));
            Assert.Empty(ImageComparison.Compare(image, image));
        }
    }
}
