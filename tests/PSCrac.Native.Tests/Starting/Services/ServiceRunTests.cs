using System.Security.Cryptography;
using System.Text.Json.Nodes;
using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.PidNamespaces;
using PSCrac.Procfs;
using PSCrac.Tests.Images.Memory;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Services;

/// <summary>Services run by crac-start: started and checkpointed once, restored ever after, in front of them from start to end.</summary>
public class ServiceRunTests
{
    // network_lock_method of criu's inventory.proto.
    private const int NetworkLockMethod = 11;

    [CriuFact("python3")]
    public void It_is_started_warmed_up_and_checkpointed_and_restored_the_next_time()
    {
        using var service = new StartedByCracStart();
        service.Description.WarmUpUri = [service.Description.ReadyUri!];
        service.Description.WarmUpCount = 5;
        StartedByCracStart.Run first = service.Start();
        first.WaitForLine("Checkpointed to");
        (int id, int count) = service.Ask();
        Assert.InRange(count, 7, 8);
        Assert.Equal(143, first.End());
        Assert.Null(service.TryAsk());
        string image = Assert.Single(service.Images());

        StartedByCracStart.Run second = service.Start();
        Assert.Contains($"/web/{image} as process {id}", second.WaitForLine("Restored from"), StringComparison.Ordinal);
        (int restored, int restoredCount) = service.Ask();
        Assert.Equal(id, restored);
        Assert.InRange(restoredCount, 7, 9);
        Assert.Equal(0, second.Count("Checkpointed"));
        Assert.Equal(143, second.End());
        Assert.Equal(image, Assert.Single(service.Images()));
    }

    [CriuFact("python3")]
    public void Its_exit_code_is_the_programs_and_what_changed_is_not_restored()
    {
        using var service = new StartedByCracStart();
        StartedByCracStart.Run first = service.Start();
        first.WaitForLine("Checkpointed to");
        service.TryAsk("/exit?7");
        Assert.Equal(7, first.WaitForExit());
        first.WaitForLine("It ended with exit code 7.");

        service.Description.Arguments = [.. service.Description.Arguments, "other"];
        StartedByCracStart.Run second = service.Start();
        second.WaitForLine("does not match what is started, and is not used: ");
        second.WaitForLine("Checkpointed to");
        Assert.Equal(2, service.Images().Length);
        second.End();
    }

    [CriuFact("python3")]
    public void Signals_are_passed_on_and_one_that_the_program_ignores_ends_neither()
    {
        using var service = new StartedByCracStart("signals", "stubborn");
        StartedByCracStart.Run run = service.Start();
        run.WaitForLine("Checkpointed to");
        string[] sent = ["HUP", "USR1", "USR2", "QUIT", "INT", "TERM"];
        foreach (string name in sent)
        {
            run.Signal(name);
            Wait.Until(() => File.Exists(service.At("signals")) && File.ReadAllText(service.At("signals")).Contains(name + "\n", StringComparison.Ordinal), () => $"{name} did not arrive");
        }

        (int id, _) = service.Ask();
        run.Signal("KILL");
        run.WaitForExit();
        Wait.Until(() => ProcessStatus.TryRead(id) is not { HasEnded: false }, () => "the program goes on without crac-start");
    }

    [CriuFact("python3")]
    public void A_tree_of_two_is_restored_whole()
    {
        using var service = new StartedByCracStart("fork");
        StartedByCracStart.Run first = service.Start();
        first.WaitForLine("Checkpointed to");
        first.Signal("KILL");
        first.WaitForExit();
        Wait.Until(() => service.TryAsk() is null, () => "the program goes on");
        StartedByCracStart.Run second = service.Start();
        second.WaitForLine("Restored from");
        long length = new FileInfo(service.At("child")).Length;
        Wait.Until(() => new FileInfo(service.At("child")).Length > length, () => "the child does not go on");
    }

    [CriuFact("python3")]
    public void One_that_dies_before_it_is_ready_tells_why_with_its_exit_code()
    {
        using var service = new StartedByCracStart("early");
        StartedByCracStart.Run run = service.Start();
        Assert.Equal(3, run.WaitForExit());
        string line = run.WaitForLine("[ProgramEnded]");
        Assert.Contains("ended with exit code 3 before it was ready", line, StringComparison.Ordinal);
        Assert.Contains("no configuration", line, StringComparison.Ordinal);
        Assert.Empty(service.Images());
    }

    [CriuFact("python3")]
    public void Of_two_starts_one_runs_it_and_the_other_says_so()
    {
        using var service = new StartedByCracStart();
        StartedByCracStart.Run[] runs = [service.Start(), service.Start()];
        Wait.Until(() => runs.Any(static run => run.Count("[ServiceRunning]") > 0), () => string.Join('\n', runs.SelectMany(static run => run.Lines)));
        StartedByCracStart.Run loser = runs.Single(static run => run.Count("[ServiceRunning]") > 0);
        StartedByCracStart.Run winner = runs.Single(run => run != loser);
        Assert.Equal(125, loser.WaitForExit());
        winner.WaitForLine("Checkpointed to");
        Assert.Contains($"process {winner.ProcessId}", loser.Lines[0], StringComparison.Ordinal);
        Assert.NotNull(service.TryAsk());
        winner.End();
    }

    [CriuFact("python3")]
    public void A_description_of_someone_else_is_not_run()
    {
        using var service = new StartedByCracStart();
        service.Describe();
        Ownership.Give(service.DescriptionPath, Ownership.Stranger);
        StartedByCracStart.Run run = service.Start([.. NamespaceInitHost.LocateStart(), "web"]);
        Assert.Equal(125, run.WaitForExit());
        run.WaitForLine("[ServiceNotTrusted]");
    }

    [CriuFact("python3")]
    public void Without_room_for_its_image_it_runs_all_the_same()
    {
        using var disk = new SmallDisk(1);
        using var service = new StartedByCracStart();
        service.Environment["PSCRAC_IMAGE_ROOT"] = disk.At("images");
        StartedByCracStart.Run run = service.Start();
        Assert.Contains("[NoSpace]", run.WaitForLine("its checkpoint was skipped"), StringComparison.Ordinal);
        Assert.NotNull(service.TryAsk());
        Assert.Empty(service.Images());
        Assert.Equal(143, run.End());
    }

    // What is judged of the criu that made an image: the version in the manifest, and what the image says of its format. The inventory
    // becomes that of criu 3.17 to 4.1, which wrote none of the fields that came after the method of the network lock.
    [CriuFact("python3")]
    public void An_image_as_an_older_criu_writes_it_is_restored()
    {
        using var service = new StartedByCracStart();
        string image = MakeImage(service);
        var source = new DirectoryImageSource(image);
        using var inventory = new MemoryStream();
        using (ImageEntryReader entries = source.OpenEntries(ImageInventory.FileName, ImageType.Inventory))
        {
            ProtobufWriter.WriteMagic(inventory, entries);
            entries.MoveToFirst();
            new ProtobufWriter().CopyExcept(entries.Reader, [.. Enumerable.Range(NetworkLockMethod + 1, 20)]).WriteEntry(inventory);
        }

        File.WriteAllBytes(Path.Combine(image, ImageInventory.FileName), inventory.ToArray());
        Seal(image, "3.17.1");
        StartedByCracStart.Run second = service.Start();
        second.WaitForLine("Restored from");
        Assert.NotNull(service.TryAsk());
        second.End();
    }

    [CriuTheory("python3")]
    [InlineData(true, "[ImageTooNew]")]
    [InlineData(false, "[ImageCorrupt]")]
    public void An_image_of_a_later_format_or_a_damaged_one_is_not_used_and_a_new_one_is_made(bool isLater, string reason)
    {
        using var service = new StartedByCracStart();
        string image = MakeImage(service);
        if (isLater)
        {
            CompressedImage.SetInventory(image, ImageInventory.NewestVersion + 1, 0, 0);
            Seal(image, "99.0");
        }
        else
        {
            string path = Path.Combine(image, ImageInventory.FileName);
            byte[] bytes = File.ReadAllBytes(path);
            bytes[^1] ^= 1;
            File.WriteAllBytes(path, bytes);
        }

        StartedByCracStart.Run second = service.Start();
        Assert.Contains("could not be restored, and is not used", second.WaitForLine(reason), StringComparison.Ordinal);
        second.WaitForLine("Checkpointed to");
        Assert.Equal(2, service.Images().Length);
        second.End();
    }

    [CriuFact("python3")]
    public void While_it_waits_nothing_wakes_it()
    {
        using var service = new StartedByCracStart();
        StartedByCracStart.Run run = service.Start();
        run.WaitForLine("Checkpointed to");
        string before = "";

        // The runtime of a portable crac-start compiles for a while.
        Wait.Until(
            () =>
            {
                string last = before;
                before = ReadSwitches(run.ProcessId);
                Thread.Sleep(1000);
                return last == before;
            },
            () => $"it is woken again and again: {before}");
        run.End();
    }

    [CriuFact("python3")]
    public void The_program_runs_as_the_user_of_its_description()
    {
        using var service = new StartedByCracStart();
        service.Description = service.Description with
        {
            User = "nobody",
            FilePath = "/bin/sleep",
            Arguments = ["1000"],
            WorkingDirectory = "/",
            ReadyUri = null,
            StandardErrorPath = null,
        };
        StartedByCracStart.Run run = service.Start();
        string line = run.WaitForLine("Started as process");
        string id = line.Split("Started as process ")[1].Split(',')[0];
        Wait.Until(() => File.ReadAllText($"/proc/{id}/cmdline") == "/bin/sleep\01000\0", () => File.ReadAllText($"/proc/{id}/cmdline"));
        string[] status = File.ReadAllLines($"/proc/{id}/status");
        uint user = PSCrac.Interop.LibC.FindUser("nobody")!.UserId;
        Assert.Contains(status, each => each == $"Uid:\t{user}\t{user}\t{user}\t{user}");
        Assert.DoesNotContain(status, static each => each.StartsWith("Groups:", StringComparison.Ordinal) && each.Split('\t')[1].Split(' ').Contains("0"));

        // Not SIGPIPE either, which the runtime ignores; the bits of 32 and 33 are the C library's own.
        Assert.Contains(status, static each => each.StartsWith("SigIgn:", StringComparison.Ordinal) && (Convert.ToUInt64(each.Split('\t')[1], 16) & 0x7FFF_FFFF) == 0);
        Assert.Contains("LOGNAME=nobody", File.ReadAllText($"/proc/{id}/environ").Split('\0'));
        run.End();

        service.Description.User = "no-such-user";
        StartedByCracStart.Run second = service.Start();
        Assert.Equal(125, second.WaitForExit());
        Assert.Contains("There is no user no-such-user.", second.WaitForLine("[ProgramNotStarted]"), StringComparison.Ordinal);
    }

    private static string MakeImage(StartedByCracStart service)
    {
        StartedByCracStart.Run first = service.Start();
        first.WaitForLine("Checkpointed to");
        first.End();
        return Path.Combine(service.ImageFolder, service.Images()[0]);
    }

    // Has the manifest name another criu, and the inventory as it is now.
    private static void Seal(string image, string criuVersion)
    {
        byte[] inventory = File.ReadAllBytes(Path.Combine(image, ImageInventory.FileName));
        string path = Path.Combine(image, ImageManifest.FileName);
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(path))!;
        JsonNode entry = manifest["files"]!.AsArray().Single(static each => (string?)each!["name"] == ImageInventory.FileName)!;
        entry["size"] = inventory.Length;
        entry["sha256"] = Convert.ToHexStringLower(SHA256.HashData(inventory));
        manifest["criuVersion"] = criuVersion;
        File.WriteAllText(path, manifest.ToJsonString());
    }

    private static string ReadSwitches(int processId) => string.Join(
        '\n', Directory.EnumerateDirectories($"/proc/{processId}/task").SelectMany(static thread => File.ReadLines(Path.Combine(thread, "status")).Where(static line => line.Contains("ctxt_switches", StringComparison.Ordinal))));
}
