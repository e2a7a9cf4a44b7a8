using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Staging;

/// <summary>The helper links that criu makes for unlinked files with other names: whose they are, and that they go with their image.</summary>
public sealed class HelperLinkTests : IDisposable
{
    private const string Unlinks = """
        import os, sys, time
        os.chdir(sys.argv[1])
        f = open(f"data{os.getpid()}", "w+")
        f.write("kept"); f.flush()
        os.link(f.name, f"other{os.getpid()}")
        os.unlink(f.name)
        print("ready", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.02)
        f.seek(0)
        print("read", f.read(), flush=True)
        time.sleep(600)
        """;

    private readonly TemporaryFolder _data = new();

    [CriuFact("python3")]
    public void Images_whose_unlinked_files_were_in_one_folder_stand_beside_each_other_and_are_restored_each_once()
    {
        using Subject one = Start();
        using Subject two = Start();

        one.Checkpoint();
        two.Checkpoint();

        Assert.Equal(2, Links().Length);
        Assert.Equal(Links(), new[] { one, two }.Select(static each => Assert.Single(ImageManifest.Read(each.ImagePath)!.OutsideFiles).Path).Order(StringComparer.Ordinal));
        using CracRestoredProcess second = two.Restore();
        using CracRestoredProcess first = one.Restore();
        File.WriteAllText(_data.At("go"), "");
        one.Program.WaitForLine("read kept");
        two.Program.WaitForLine("read kept");
        Assert.Empty(Links());
    }

    [CriuFact("python3")]
    public void A_removed_image_takes_its_links_with_it_and_no_other()
    {
        using Subject one = Start();
        using Subject two = Start();
        one.Checkpoint();
        two.Checkpoint();

        ImageRemoval.Remove(CracImage.Open(one.ImagePath), force: false);

        Assert.Equal([Assert.Single(ImageManifest.Read(two.ImagePath)!.OutsideFiles).Path], Links());
    }

    [CriuFact("python3")]
    public void An_image_that_is_replaced_takes_its_links_with_it()
    {
        using Subject one = Start();
        one.Checkpoint();
        using Subject two = Start();

        PSCrac.Checkpointing.Checkpoint.Run(new CheckpointRequest { ProcessId = two.ProcessId, ImagePath = one.ImagePath, Force = true, NoSync = true });

        Assert.Equal([Assert.Single(ImageManifest.Read(one.ImagePath)!.OutsideFiles).Path], Links());
    }

    [CriuFact("python3")]
    public void A_checkpoint_that_cannot_be_put_in_place_leaves_no_link()
    {
        using Subject one = Start();
        var inTheWay = new Blocker(one.ImagePath);

        Assert.Equal(CracReason.ImageExists, Assert.Throws<CracException>(() => one.Checkpoint(progress: inTheWay)).Reason);

        Assert.True(inTheWay.Acted);
        Assert.Empty(Links());
        one.AssertUnharmed("image");
    }

    [CriuFact("python3")]
    public void A_leftover_of_plain_criu_is_reported_beforehand_and_explains_the_failure()
    {
        using Subject one = Start();
        using Subject two = Start();
        one.DumpWithCriu("--link-remap");
        string left = Assert.Single(Links());

        CracFinding warning = Assert.Single(ProcessPreflight.Examine(two.ProcessId).Findings, finding => finding.What.StartsWith(left, StringComparison.Ordinal));
        Assert.Equal(CracFindingSeverity.Warning, warning.Severity);
        CracException failure = Assert.Throws<CracException>(() => two.Checkpoint());

        Assert.Equal(CracReason.FileUnlinked, failure.Reason);
        Assert.Contains("link_remap", failure.RecommendedAction, StringComparison.Ordinal);
        two.AssertUnharmed();
        File.Delete(left);
        two.Checkpoint();
    }

    private Subject Start() => Subject.Of(["python3", "-c", Unlinks, _data.FullPath]);

    private string[] Links() => [.. Directory.GetFiles(_data.FullPath, "link_remap.*").Order(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public void Dispose() => _data.Dispose();

    // Creates the target while the image is sealed.
    private sealed class Blocker(string path) : IProgress<CracProgress>
    {
        internal bool Acted { get; private set; }

        public void Report(CracProgress value)
        {
            if (value.Phase == CracPhase.Sealing && !Acted)
            {
                Directory.CreateDirectory(path);
                Acted = true;
            }
        }
    }
}
