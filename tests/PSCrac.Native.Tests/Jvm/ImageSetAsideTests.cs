using System.Diagnostics;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

/// <summary>What becomes of an image that a JVM's checkpoint was to replace when the session is killed in between.</summary>
public class ImageSetAsideTests
{
    private const string Aside = ".pscrac-cr.before";

    [CriuFact("python3")]
    public void The_next_checkpoint_puts_it_back()
    {
        using FakeJvm fake = Start(out DateTimeOffset made);
        KillInBetween(fake);

        Expect.Failure(CracReason.ImageExists, () => fake.Checkpoint(fake.Target));

        Assert.Equal(["cr", "jdk"], fake.Folder.Names());
        AssertWhole(fake, made);

        // With consent it is then replaced as any other.
        Assert.NotEqual(made, fake.Checkpoint(fake.Target, force: true).Image.Manifest!.Created);
        Assert.Equal(["cr", "jdk"], fake.Folder.Names());
    }

    [CriuFact("python3")]
    public void What_the_JVM_has_begun_makes_room_for_it()
    {
        using FakeJvm fake = Start(out DateTimeOffset made);
        KillInBetween(fake);
        Directory.CreateDirectory(fake.Target);
        foreach (string name in (string[])["dump4.log", "pages-1.img", "perfdata"])
        {
            File.Copy(Path.Combine(fake.Folder.At(Aside), name), Path.Combine(fake.Target, name));
        }

        Expect.Failure(CracReason.ImageExists, () => fake.Checkpoint(fake.Target));

        Assert.Equal(["cr", "jdk"], fake.Folder.Names());
        AssertWhole(fake, made);
    }

    [CriuFact("python3")]
    public void It_goes_where_the_JVM_has_finished_after_all()
    {
        using FakeJvm fake = Start(out _);
        KillInBetween(fake);
        Directory.CreateDirectory(fake.Target);
        foreach (string file in Directory.EnumerateFiles(fake.Folder.At(Aside)).Where(static file => Path.GetFileName(file) != "pscrac.json"))
        {
            File.Copy(file, Path.Combine(fake.Target, Path.GetFileName(file)));
        }

        Expect.Failure(CracReason.ImageExists, () => fake.Checkpoint(fake.Target));

        Assert.Equal(["cr", "jdk"], fake.Folder.Names());
        CracImage image = CracImage.Open(fake.Target);
        Assert.Null(image.Manifest);
        Assert.True(image.IsRestorable(out string? missing), missing);
    }

    [CriuFact("python3")]
    public void Nobody_touches_it_while_its_session_lives()
    {
        using FakeJvm fake = Start(out DateTimeOffset made);
        using Process session = StartReplacing(fake);
        try
        {
            CracException busy = Expect.Failure(CracReason.ImageExists, () => fake.Checkpoint(fake.Target, force: true));
            Assert.Contains(fake.Folder.At(Aside), busy.Message);
            Assert.Equal([Aside, "jdk"], fake.Folder.Names());
        }
        finally
        {
            End(session);
        }

        Expect.Failure(CracReason.ImageExists, () => fake.Checkpoint(fake.Target));
        AssertWhole(fake, made);
    }

    private static FakeJvm Start(out DateTimeOffset made)
    {
        FakeJvm fake = FakeJvm.Start(environment: new Dictionary<string, string> { ["CRAC_CRIU_LEAVE_RUNNING"] = "1" });
        try
        {
            made = fake.Checkpoint(fake.Target).Image.Manifest!.Created;
            return fake;
        }
        catch
        {
            fake.Dispose();
            throw;
        }
    }

    private static void AssertWhole(FakeJvm fake, DateTimeOffset made)
    {
        CracImage image = CracImage.Open(fake.Target);
        Assert.Equal(made, image.Manifest!.Created);
        Assert.True(image.IsRestorable(out string? missing), missing);
    }

    private static void KillInBetween(FakeJvm fake)
    {
        using Process session = StartReplacing(fake);
        End(session);
        Assert.Equal([Aside, "jdk"], fake.Folder.Names());
        File.Delete(Path.Combine(fake.Program.Folder, "silent"));
    }

    // The JVM takes the command and does nothing, so that the session waits with the old image moved aside.
    private static Process StartReplacing(FakeJvm fake)
    {
        Wait.Until(() => fake.LastNumber() > 2, () => "the stand-in does not count");
        File.WriteAllText(Path.Combine(fake.Program.Folder, "silent"), "");
        string[] command = Helper.Command("replace", $"{fake.ProcessId}", fake.Target);
        Process session = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true })!;
        try
        {
            Wait.Until(() => Directory.Exists(fake.Folder.At(Aside)), () => session.HasExited ? session.StandardOutput.ReadToEnd() : "nothing was moved aside");
            return session;
        }
        catch
        {
            End(session);
            session.Dispose();
            throw;
        }
    }

    private static void End(Process session)
    {
        session.Kill();
        session.WaitForExit();
    }
}
