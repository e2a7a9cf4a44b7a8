using PSCrac.Checkpointing;
using PSCrac.Interop;
using PSCrac.Jvm;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

/// <summary>Whatever a JVM's criu logs, and whatever its engine is: once the JVM has ended, what it wrote stays.</summary>
public class JvmImageKeptTests
{
    /// <summary>Options of criu that keep the last line out of the log that is looked for, or the log out of the image.</summary>
    public static TheoryData<string, string> OtherLogs => new()
    {
        { "", "-v2" },
        { "library-engine", "-v2" },
        { "", "-o other.log" },
        { "library-engine", "-o /dev/null -v0" },
    };

    [CriuTheory]
    [MemberData(nameof(OtherLogs))]
    public void A_log_without_the_last_line_does_not_matter(string modes, string options)
    {
        using FakeJvm fake = FakeJvm.Start(modes, environment: new Dictionary<string, string> { ["CRAC_CRIU_OPTS"] = options });

        CheckpointResult result = fake.Checkpoint();

        Assert.True(Subject.HasEnded(fake.ProcessId));
        Assert.True(result.Image.IsRestorable(out string? missing), missing);
        using CracRestoredProcess restored = fake.Restore(new() { Image = result.Image, Engine = CracEngineChoice.Criu, CriuPath = CriuProgram.Path });
        fake.WaitPast(fake.LastNumber() + 3);
    }

    [CriuTheory]
    [InlineData("-o /dev/null")]
    [InlineData("-o other.log -v1")]
    public void Todays_image_is_known_by_the_file_that_names_its_engine(string options)
    {
        using FakeJvm fake = FakeJvm.Start("library-engine", environment: new Dictionary<string, string> { ["CRAC_CRIU_OPTS"] = options });
        string path = fake.Checkpoint().Image.Path;
        File.Delete(Path.Combine(path, "pscrac.json"));
        CracImage image = CracImage.Open(path);

        Assert.Equal(CracEngine.Jvm, image.Engine);
        using CracRestoredProcess restored = fake.Restore(new() { Image = image, Engine = CracEngineChoice.Criu, CriuPath = CriuProgram.Path });
        fake.WaitPast(fake.LastNumber() + 3);
    }

    [CriuFact("python3")]
    public void A_JVM_that_goes_on_needs_no_log_either()
    {
        using FakeJvm fake = FakeJvm.Start(
            "library-engine", options: ["-XX:CRaCCheckpointTo=cr", "-XX:CRaCEngineOptions=keep_running=true,args=-o /dev/null", "Main"]);
        int last = fake.LastNumber();

        CheckpointResult result = fake.Checkpoint();

        Assert.True(result.Image.Manifest!.LeaveRunning);
        Assert.True(result.Image.IsRestorable(out string? missing), missing);
        fake.WaitPast(last + 3);
    }

    [CriuTheory]
    [InlineData("terminal")]
    [InlineData("terminal library-engine")]
    public void The_leader_of_a_terminals_session_takes_its_criu_along(string modes)
    {
        using FakeJvm fake = FakeJvm.Start(modes);

        CheckpointResult result = fake.Checkpoint();

        Assert.True(Subject.HasEnded(fake.ProcessId));
        Assert.True(result.Image.IsRestorable(out string? missing), missing);
        Assert.Equal(modes == "terminal", File.Exists(Path.Combine(result.Image.Path, "cppath")));
        Assert.Equal(["image", "jdk"], fake.Folder.Names());
    }

    [CriuTheory]
    [InlineData("warp", null)]
    [InlineData("library-engine", "simengine")]
    [InlineData("", "/opt/engines/libotherengine.so")]
    public void An_engine_that_is_not_criu_is_found_by_asking(string modes, string? engine)
    {
        using FakeJvm fake = FakeJvm.Start(modes, options: ["-XX:CRaCCheckpointTo=cr", .. engine is null ? [] : new[] { $"-XX:CRaCEngine={engine}" }, "Main"]);

        CracException failure = Expect.Failure(CracReason.ResourceUnsupported, () => fake.Checkpoint());

        Assert.Contains($"the engine {(engine is null ? "warp" : JvmEngine.NameOf(engine))},", failure.Message);
        fake.WaitPast(fake.LastNumber() + 2);
    }

    [CriuFact("python3")]
    public void What_another_engine_wrote_stays_when_the_JVM_has_ended()
    {
        using FakeJvm fake = FakeJvm.Start("ends");

        CracException failure = Expect.Failure(CracReason.ImageIncomplete, () => fake.Checkpoint());

        Assert.True(Subject.HasEnded(fake.ProcessId));
        Assert.Contains("has ended", failure.Message);
        Assert.Contains(fake.Target, failure.Message);
        Assert.Equal(["heap.bin"], Directory.EnumerateFiles(fake.Target).Select(Path.GetFileName));
    }

    [CriuFact("python3")]
    public void The_image_of_before_comes_back_beside_it()
    {
        using FakeJvm fake = FakeJvm.Start("ends");
        Directory.CreateDirectory(fake.Target);
        File.WriteAllBytes(Path.Combine(fake.Target, "inventory.img"), new byte[64]);

        Expect.Failure(CracReason.ImageIncomplete, () => fake.Checkpoint(fake.Target, force: true));

        Assert.True(File.Exists(Path.Combine(fake.Target, "inventory.img")));
        string remains = Assert.Single(fake.Folder.Names(), static name => name.StartsWith("cr.incomplete-", StringComparison.Ordinal));
        Assert.True(File.Exists(Path.Combine(fake.Folder.At(remains), "heap.bin")));
    }
}
