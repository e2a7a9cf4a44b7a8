using PSCrac.Checkpointing;
using PSCrac.Jvm;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

/// <summary>-XX:CRaCCheckpointTo with patterns, which the JVM fills in when it checkpoints itself.</summary>
public class JvmImagePatternTests
{
    [Theory]
    [InlineData("cr", 12, "cr", null)]
    [InlineData("cr-%p-100%%", 12, "cr-12-100%", null)]
    [InlineData("%06p", 12, "000012", null)]
    [InlineData("%6p", 12, "    12", null)]
    [InlineData("%t", 1, "%t", "20250102T030405Z")]
    [InlineData("a.b-%u", 1, "a.b-%u", "a.b-0c1d2e3f-0a0b-4c0d-8e0f-001122334455")]
    [InlineData("%p-%g", 7, "7-%g", "7-2")]
    [InlineData("%m.%c.%R", 7, "%m.%c.%R", "256M.8.1735787045")]
    [InlineData("%04c", 7, "%04c", "0008")]
    [InlineData("f%f", 7, "f%f", "f0x3ef8e1c05fdfbf7,0x3cc")]
    public void What_is_known_is_filled_in_and_the_rest_matched(string text, int processId, string name, string? made)
    {
        JvmImagePattern pattern = JvmImagePattern.Parse(text, processId);

        Assert.Equal((name, made is not null), (pattern.Name, pattern.IsOpen));
        Assert.True(pattern.Matches(made ?? name));
        Assert.False(pattern.Matches($"x{made ?? name}"));
        Assert.False(pattern.Matches("a-b-0c1d2e3f"));
    }

    [CriuTheory]
    [InlineData("cr-%t", "")]
    [InlineData("cr-%u", "library-engine")]
    [InlineData("%05p-%g", "library-engine")]
    [InlineData("cr-%a-%p-%%", "")]
    [InlineData("%B-%c-%m-%f", "library-engine")]
    public void The_image_is_found_and_moved(string pattern, string modes)
    {
        using var folder = new TemporaryFolder();
        using FakeJvm fake = Start(folder, pattern, modes);
        string image = folder.At("image");

        CheckpointResult result = fake.Checkpoint(image);

        Assert.Equal(image, result.Image.Path);
        Assert.Equal(["image"], folder.Names());
        using CracRestoredProcess restored = fake.Restore(new() { Image = result.Image, CriuPath = CriuProgram.Path });
        fake.WaitPast(fake.LastNumber() + 3);
    }

    [CriuTheory]
    [InlineData("%T")]
    [InlineData("cr-%g")]
    [InlineData("cr-%c")]
    public void A_target_that_looks_like_it_is_not_taken_for_it(string pattern)
    {
        using var folder = new TemporaryFolder();
        using FakeJvm fake = Start(folder, pattern, "library-engine");
        string image = folder.At(pattern == "%T" ? "4711" : "cr-4711");

        CracImage made = fake.Checkpoint(image).Image;

        Assert.True(made.IsRestorable(out string? missing), missing);
        Assert.Equal([Path.GetFileName(image)], folder.Names());
        using CracRestoredProcess restored = fake.Restore(new() { Image = made, CriuPath = CriuProgram.Path });
        fake.WaitPast(fake.LastNumber() + 3);
    }

    [CriuTheory]
    [InlineData("cr-%g", "cr-1", "cr-2")]
    [InlineData("%g.crac", "1.crac", "2.crac")]
    public void An_image_is_replaced_with_Force_only(string pattern, string written, string other)
    {
        using var folder = new TemporaryFolder();
        using FakeJvm first = Start(folder, pattern, "");
        CracImage old = first.Checkpoint(folder.At(written)).Image;
        Directory.CreateDirectory(folder.At(other));
        File.WriteAllText(Path.Combine(folder.At(other), "inventory.img"), "of another generation");
        using FakeJvm second = Start(folder, pattern, "");

        CracException failure = Expect.Failure(CracReason.ImageExists, () => second.Checkpoint(folder.At("image")));
        Assert.Contains("-Force", failure.RecommendedAction);
        Assert.Equal(first.ProcessId, CracImage.Open(old.Path).RootProcessId);
        second.WaitPast(second.LastNumber() + 2);

        CracImage image = second.Checkpoint(folder.At("image"), force: true).Image;

        Assert.Equal(second.ProcessId, image.RootProcessId);
        Assert.Equal("of another generation", File.ReadAllText(Path.Combine(folder.At(other), "inventory.img")));
        Assert.Equal(new[] { "image", other }.Order(), folder.Names());
    }

    [CriuTheory]
    [InlineData("cr-%u")]
    [InlineData("cr-%u-%t")]
    public void Checkpoints_at_once_keep_apart(string pattern)
    {
        using var folder = new TemporaryFolder();
        FakeJvm[] jvms = [.. Enumerable.Range(0, 3).Select(number => Start(folder, pattern, number == 1 ? "" : "library-engine"))];
        try
        {
            CracImage[] images = new CracImage[jvms.Length];
            Parallel.For(0, jvms.Length, number => images[number] = jvms[number].Checkpoint(folder.At($"image{number}")).Image);

            Assert.Equal(jvms.Select(static jvm => jvm.ProcessId), images.Select(static image => image.RootProcessId));
            Assert.All(images, static image => Assert.True(image.IsRestorable(out _)));
            Assert.Equal(["image0", "image1", "image2"], folder.Names());
        }
        finally
        {
            Array.ForEach(jvms, static jvm => jvm.Dispose());
        }
    }

    [CriuFact("python3")]
    public void Another_JVMs_image_is_neither_taken_nor_removed()
    {
        using var folder = new TemporaryFolder();
        using FakeJvm idle = Start(folder, "cr-%u", "silent");
        using FakeJvm other = Start(folder, "cr-%u", "library-engine");

        // The idle one's checkpoint waits for a directory, and the other's has one made for it.
        Task<CracException> waiting = Task.Run(() => Expect.Failure(CracReason.TimedOut, () => idle.Checkpoint(folder.At("idle"), patience: TimeSpan.FromSeconds(4))));
        Wait.Until(() => folder.Names().Length > 0, () => "no staging");
        Assert.True(JvmAttachment.Open(other.Jvm).Jcmd("JDK.checkpoint").IsSuccess);
        waiting.Wait();

        string image = Assert.Single(folder.Names());
        Assert.Equal(other.ProcessId, CracImage.Open(folder.At(image)).RootProcessId);
        idle.WaitPast(idle.LastNumber() + 2);
    }

    [CriuFact("python3")]
    public void A_failed_checkpoint_leaves_nothing_and_a_pattern_above_is_refused()
    {
        using var folder = new TemporaryFolder();
        using FakeJvm failing = Start(folder, "cr-%t", "connected");
        using FakeJvm above = Start(folder, "a%t/cr", "");

        Expect.Failure(CracReason.TcpConnectionOpen, () => failing.Checkpoint(folder.At("image")));
        Expect.Failure(CracReason.ResourceUnsupported, () => above.Checkpoint(folder.At("image")));

        Assert.Empty(folder.Names());
    }

    private static FakeJvm Start(TemporaryFolder folder, string pattern, string modes) =>
        FakeJvm.Start(modes, options: [$"-XX:CRaCCheckpointTo={folder.At(pattern)}", "Main"]);
}
