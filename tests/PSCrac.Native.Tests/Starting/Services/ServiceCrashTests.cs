using System.Diagnostics;
using System.Globalization;
using PSCrac.Starting.Services;
using PSCrac.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace PSCrac.Tests.Starting.Services;

/// <summary>Checkpoints of a service while it runs, and what follows its crashes.</summary>
public class ServiceCrashTests(ITestOutputHelper output)
{
    private const int FixedSeed = 13_2026;
    private const int UsualKills = 5;

    [CriuFact("python3")]
    public void It_is_checkpointed_again_and_again_and_only_the_newest_images_are_kept()
    {
        using var service = new StartedByCracStart();
        service.Description.CheckpointEvery = TimeSpan.FromSeconds(1);
        service.Description.Keep = 2;
        StartedByCracStart.Run run = service.Start();
        run.WaitForLine("Checkpointed to", number: 4);
        (int id, _) = service.Ask();
        run.End();
        Assert.Equal(2, service.Images().Length);
        Assert.Contains(service.Images()[^1], run.Lines.Last(static line => line.Contains("Checkpointed", StringComparison.Ordinal)), StringComparison.Ordinal);

        StartedByCracStart.Run second = service.Start();
        Assert.Contains(service.Images()[^1], second.WaitForLine("Restored from"), StringComparison.Ordinal);
        Assert.Equal(id, service.Ask().ProcessId);

        // An image of a restored program fits what is started too.
        second.WaitForLine("Checkpointed to");
        second.End();
        service.Start().WaitForLine("Restored from");
    }

    [CriuFact("python3")]
    public void A_checkpoint_that_something_blocks_is_skipped_with_a_line()
    {
        using var service = new StartedByCracStart();
        service.Description.CheckpointEvery = TimeSpan.FromSeconds(1);
        StartedByCracStart.Run run = service.Start();
        run.WaitForLine("Checkpointed to");
        using var open = new System.Net.Sockets.TcpClient("127.0.0.1", service.Port);
        Assert.Contains("[TcpConnectionOpen]", run.WaitForLine("its checkpoint was skipped"), StringComparison.Ordinal);
        open.Close();
        int taken = run.Count("Checkpointed to");
        run.WaitForLine("Checkpointed to", taken + 1);
        run.End();
    }

    /// <summary>PSCRAC_KILLS sets how often it is killed, PSCRAC_KILL_SEED repeats another run.</summary>
    [CriuFact("python3")]
    public void A_killed_service_comes_back_from_its_last_image()
    {
        int kills = Setting("PSCRAC_KILLS", UsualKills);
        int seed = Setting("PSCRAC_KILL_SEED", FixedSeed);
        output.WriteLine($"service kills: seed {seed}, {kills} of them");
        using var service = new StartedByCracStart();
        service.Description.CheckpointEvery = TimeSpan.FromSeconds(1);
        service.Description.RestartFrom = CracServiceRestart.LastImage;
        service.Description.RestartLimit = kills + 1;
        StartedByCracStart.Run run = service.Start();
        run.WaitForLine("Checkpointed to");
        (_, int count) = service.Ask();
        var random = new Random(seed);
        for (int i = 1; i <= kills; i++)
        {
            // A random moment: before, in or after a checkpoint. Nothing is waited for.
            Thread.Sleep(random.Next(1500));
            (int id, _) = service.Ask();
            Assert.Equal(0, CriuProgram.Kill("-KILL", $"{id}").ExitCode);
            run.WaitForLine("It was ended by signal 9.", i);
            run.WaitForLine("Restored from", i);
            (int restored, int asked) = service.Ask();
            Assert.Equal(id, restored);
            Assert.True(asked >= count, $"kill {i}: {asked} requests in the image, {count} in an earlier one");
            count = Math.Min(asked, count + 1);
        }

        Assert.Equal(1, run.Count("Started as process"));
        Assert.Equal(0, run.Count("could not be restored"));
        Assert.Equal(143, run.End());
        Assert.DoesNotContain(service.Images(), static name => name.Contains('.', StringComparison.Ordinal));
    }

    [CriuFact("python3")]
    public void One_that_is_killed_before_a_restore_is_ready_keeps_its_image_and_comes_back()
    {
        using StartedByCracStart service = WithGate(out StartedByCracStart.Run run, out string image);
        int id = WaitForRestored(service, run);
        Assert.Equal(0, CriuProgram.Kill("-KILL", $"{id}").ExitCode);
        run.WaitForLine("could not be restored, and is not used");
        Assert.Contains(image, service.Images());
        File.WriteAllText(service.At("go"), "");
        run.WaitForLine("Started as process");
        run.End();
    }

    [CriuFact("python3")]
    public void One_that_is_told_to_end_before_a_restore_is_ready_ends_and_keeps_its_image()
    {
        using StartedByCracStart service = WithGate(out StartedByCracStart.Run run, out string image);
        WaitForRestored(service, run);
        Assert.Equal(143, run.End());
        run.WaitForLine("It was ended before it was ready");
        Assert.Equal([image], service.Images());
        Assert.Equal(0, run.Count("Started as process"));
    }

    // A service that has an image and whose restore is not ready, since a file is missing.
    private static StartedByCracStart WithGate(out StartedByCracStart.Run restoring, out string image)
    {
        var service = new StartedByCracStart();
        service.Description.ReadyCommand = ["/bin/sh", "-c", $"test -e {service.At("go")} || ! : >{service.At("asked")}"];
        File.WriteAllText(service.At("go"), "");
        StartedByCracStart.Run first = service.Start();
        first.WaitForLine("Checkpointed to");
        first.End();
        File.Delete(service.At("go"));
        image = Assert.Single(service.Images());
        restoring = service.Start();
        return service;
    }

    private static int WaitForRestored(StartedByCracStart service, StartedByCracStart.Run run)
    {
        Wait.Until(() => File.Exists(service.At("asked")), () => string.Join('\n', run.Lines));
        return service.Ask().ProcessId;
    }

    private static int Setting(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), out int value) ? value : otherwise;

    [CriuFact("python3")]
    public void An_image_that_leads_to_crashes_is_set_aside_and_the_end_of_the_tries_is_told()
    {
        using var service = new StartedByCracStart("fragile");
        service.Description.CheckpointEvery = TimeSpan.FromSeconds(1);
        service.Description.Keep = 1;
        StartedByCracStart.Run first = service.Start();

        // The last one is of a program that has lived long enough to die as soon as it is restored.
        first.WaitForLine("Checkpointed to", number: 7);
        first.Signal("TERM");
        first.WaitForExit();
        string image = service.Images()[^1];
        File.WriteAllText(service.At("die"), "");

        service.Description.RestartFrom = CracServiceRestart.LastImage;
        service.Description.RestartLimit = 2;
        StartedByCracStart.Run second = service.Start();
        second.WaitForLine($"The image is set aside: {service.ImageFolder}/{image}.set-aside.");
        second.WaitForLine("Started as process");
        Assert.Contains(image + ".set-aside", service.Images());
        Assert.Equal(9, second.WaitForExit());
        second.WaitForLine("It crashed again after 2 restarts");
        Assert.InRange(second.Count("It ended with exit code 9."), 3, 3);
    }

    [Fact]
    public void Restarts_are_counted_within_their_window_and_crashes_by_image()
    {
        var restarts = new ServiceRestarts(limit: 2, TimeSpan.FromDays(1));
        Assert.True(restarts.TryAdd());
        Assert.True(restarts.TryAdd());
        Assert.False(restarts.TryAdd());
        var forgetful = new ServiceRestarts(limit: 1, TimeSpan.FromTicks(1));
        Assert.True(forgetful.TryAdd());
        long added = Stopwatch.GetTimestamp();
        SpinWait.SpinUntil(() => Stopwatch.GetElapsedTime(added) > TimeSpan.FromTicks(1));
        Assert.True(forgetful.TryAdd());

        var one = new ServiceImage("/one", default, IsSetAside: false);
        var other = new ServiceImage("/other", default, IsSetAside: false);
        TimeSpan soon = TimeSpan.FromSeconds(1);
        Assert.False(restarts.IsOfImage(one, soon));
        Assert.False(restarts.IsOfImage(other, soon));
        Assert.False(restarts.IsOfImage(one, soon));
        Assert.True(restarts.IsOfImage(one, soon));
        Assert.False(restarts.IsOfImage(other, soon));
        Assert.False(restarts.IsOfImage(other, TimeSpan.FromDays(2)));
        Assert.False(restarts.IsOfImage(other, soon));
    }
}
