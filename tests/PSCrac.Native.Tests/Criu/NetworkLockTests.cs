using System.Net.Sockets;
using System.Text;
using PSCrac.Checkpointing;
using PSCrac.Criu;
using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>How packets are kept away from a frozen tree, by what the machine has for that.</summary>
[Collection(AloneCollection.Name)]
public class NetworkLockTests
{
    private const string Iptables = "iptables";
    private const string Ip6tables = "ip6tables";

    // Counts what came back over a connection of its own.
    private const string CountsOverConnection = """
        import socket, itertools, time
        server = socket.create_server(("127.0.0.1", 0))
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        far.settimeout(3)
        for n in itertools.count(1):
            near.sendall(b"%d" % n)
            print(int(far.recv(100)), flush=True)
            time.sleep(0.02)
        """;

    private const string Echoes = """
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        print("ready", server.getsockname()[1], flush=True)
        connection, _ = server.accept()
        while data := connection.recv(100): connection.sendall(data)
        """;

    private static readonly string[] s_ownNetwork = ["unshare", "-n", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh", "python3", "-c", CountsOverConnection];

    [CriuTheory("ip", "unshare")]
    [InlineData(true)]
    [InlineData(false)]
    public void With_nftables_alone_a_connection_goes_on(bool ownNetwork)
    {
        using var without = new WithoutPrograms(Iptables, Ip6tables);
        using Subject subject = Start(ownNetwork);

        AssertRoundTrip(subject, NetworkLock.Nftables);
    }

    [CriuTheory("iptables", "ip6tables", "ip", "unshare")]
    [InlineData(true)]
    [InlineData(false)]
    public void With_iptables_alone_a_connection_goes_on(bool ownNetwork)
    {
        using var without = new CriuWithoutNftables();
        using Subject subject = Start(ownNetwork);

        AssertRoundTrip(subject, NetworkLock.Iptables);
    }

    [CriuTheory("iptables", "ip6tables", "ip", "unshare")]
    [InlineData(true)]
    [InlineData(false)]
    public void With_both_nftables_is_chosen_whose_image_needs_no_program(bool ownNetwork)
    {
        using Subject subject = Start(ownNetwork);
        AssertChosen(subject.Checkpoint(), NetworkLock.Nftables);

        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuTheory("ip", "unshare")]
    [InlineData(true)]
    [InlineData(false)]
    public void With_neither_it_is_refused_beforehand_and_the_package_named(bool ownNetwork)
    {
        using var programs = new WithoutPrograms(Iptables, Ip6tables);
        using var criu = new CriuWithoutNftables();
        using Subject subject = Start(ownNetwork);

        CracException failure = Expect.Failure(CracReason.ProgramMissing, () => subject.Checkpoint());

        Assert.Contains(ownNetwork ? "network namespace" : "connections", failure.Message);
        Assert.Equal("Install the package iptables.", failure.RecommendedAction);
        Assert.Null(failure.LogPath);
        subject.AssertUnharmed();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_connection_to_another_program_is_kept_with_nftables_alone()
    {
        using var without = new WithoutPrograms(Iptables, Ip6tables);
        using Subject subject = Subject.Python(Echoes, "ready");
        using var client = new TcpClient("127.0.0.1", int.Parse(subject.Program.WaitForLine("ready").Split(' ')[1])) { ReceiveTimeout = 10_000 };
        AssertEchoes(client, "before");

        AssertChosen(subject.Checkpoint(new() { TcpEstablished = true }), NetworkLock.Nftables);
        client.GetStream().Write("meanwhile"u8);
        using CracRestoredProcess restored = subject.Restore();

        Assert.Equal("meanwhile", Receive(client, 9));
        AssertEchoes(client, "after");
    }

    [CriuTheory("ip", "unshare")]
    [InlineData(true)]
    [InlineData(false)]
    public void What_a_killed_criu_locked_is_unlocked(bool ownNetwork)
    {
        using var without = new WithoutPrograms(Iptables, Ip6tables);

        // Until its connection leaves repair mode, the program cannot receive.
        string big = CountsOverConnection
            .Replace("server =", "big = bytearray(b'Z') * (300 << 20)\nserver =", StringComparison.Ordinal)
            .Replace("    print(int(far.recv(100)), flush=True)", """
                    while True:
                        try: came = far.recv(100); break
                        except PermissionError: time.sleep(0.001)
                    print(int(came), flush=True)
                """, StringComparison.Ordinal);
        using Subject subject = ownNetwork ? Subject.Of([.. s_ownNetwork[..^1], big], "1") : Subject.Python(big, "1");

        Expect.Failure(
            CracReason.WorkerDied,
            () => subject.Checkpoint(progress: Expect.AtFirstPages(static () => Array.ForEach(Workers.OfThisProcess(), static worker => CriuProgram.Kill("-KILL", $"{worker}")))));

        subject.AssertUnharmed();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void What_locks_nothing_has_no_lock_chosen()
    {
        using Subject subject = Subject.Counting();

        Assert.DoesNotContain(subject.Checkpoint(new() { LeaveRunning = true }).Choices, static choice => choice.Option == NetworkLock.Option);
    }

    [CriuTheory("ip", "unshare")]
    [InlineData("iptables", CracReason.ProgramMissing)]
    [InlineData("nftables", CracReason.KernelFeatureMissing)]
    public void A_lock_that_is_given_is_used_or_refused_beforehand(string method, CracReason reason)
    {
        using var programs = new WithoutPrograms(Iptables, Ip6tables);
        using var criu = new CriuWithoutNftables();
        using Subject subject = Subject.Of(s_ownNetwork, "1");
        CheckpointOptions With(string lockedBy) => new() { TcpEstablished = true, CriuOption = new Dictionary<string, object?> { [NetworkLock.Option] = lockedBy } };

        CracException failure = Expect.Failure(reason, () => subject.Checkpoint(With(method)));
        Assert.Contains(method, failure.Message);
        Assert.Contains(NetworkLock.Option, failure.RecommendedAction);
        subject.AssertUnharmed();

        Assert.DoesNotContain(subject.Checkpoint(With("skip")).Choices, static choice => choice.Option == NetworkLock.Option);
        Assert.Equal(2, MethodOf(subject.ImagePath));
    }

    [CriuFact("python3", "ip", "unshare")]
    public void A_lock_of_criu_s_own_configuration_file_is_left_as_it_is()
    {
        string? home = Environment.GetEnvironmentVariable("HOME");
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At(".criu"));
        File.WriteAllText(folder.At(".criu/default.conf"), "# of this machine\nnetwork-lock skip\n");
        using Subject subject = Subject.Of(s_ownNetwork, "1");
        Environment.SetEnvironmentVariable("HOME", folder.FullPath);
        try
        {
            Assert.DoesNotContain(subject.Checkpoint().Choices, static choice => choice.Option == NetworkLock.Option);
        }
        finally
        {
            Environment.SetEnvironmentVariable("HOME", home);
        }

        Assert.Equal(2, MethodOf(subject.ImagePath));
    }

    [CriuFact("python3", "ip", "unshare")]
    public void Where_nothing_is_chosen_criu_fails_over_its_own_default_and_rolls_back()
    {
        using var without = new WithoutPrograms(Iptables, Ip6tables);
        using Subject subject = Subject.Of(s_ownNetwork, "1");

        CracException failure = Expect.Failure(CracReason.ProgramMissing, () => subject.Checkpoint(new() { TcpEstablished = true }, chooseOptions: false));

        Assert.Contains("-NoAutoOption", failure.RecommendedAction);
        subject.AssertUnharmed();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuTheory("iptables", "ip6tables", "ip", "unshare")]
    [InlineData(true)]
    [InlineData(false)]
    public void Locked_with_iptables_and_restored_without_it_is_refused_beforehand(bool ownNetwork)
    {
        using Subject subject = Start(ownNetwork);
        AssertChosen(subject.Checkpoint(new() { NetworkLock = NetworkLock.Iptables }), chosen: null);
        Assert.Equal(0, MethodOf(subject.ImagePath));
        using (new WithoutPrograms(Iptables, Ip6tables))
        {
            AssertRefused(subject, CracReason.ProgramMissing, "the lock of its ");
        }

        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuTheory("ip", "unshare")]
    [InlineData(true)]
    [InlineData(false)]
    public void An_image_that_says_it_was_locked_with_iptables_is_refused_without_it(bool ownNetwork)
    {
        using var without = new WithoutPrograms(Iptables, Ip6tables);
        using Subject subject = Start(ownNetwork);
        subject.DumpWithCriu("--tcp-established", "--network-lock", "nftables");
        string inventory = Path.Combine(subject.ImagePath, "inventory.img");
        byte[] bytes = File.ReadAllBytes(inventory);

        // Field 11 of its one entry, a varint: 1, nftables, becomes 0.
        int at = bytes.AsSpan().IndexOf((ReadOnlySpan<byte>)[11 << 3, 1]);
        bytes[at + 1] = 0;
        File.WriteAllBytes(inventory, bytes);
        Assert.Equal(0, MethodOf(subject.ImagePath));
        AssertRefused(subject, CracReason.ProgramMissing, "the lock of its ");

        bytes[at + 1] = 1;
        File.WriteAllBytes(inventory, bytes);
        using CracRestoredProcess restored = subject.Restore(new() { TcpEstablished = true });
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_lock_of_connections_that_another_boot_made_is_no_obstacle()
    {
        using Subject subject = Start(ownNetwork: false);
        subject.Checkpoint();
        ImageManifest manifest = ImageManifest.Read(subject.ImagePath)!;
        using (new CriuWithoutNftables())
        {
            AssertRefused(subject, CracReason.KernelFeatureMissing, "the lock of its connections");
            Write(manifest with { Host = manifest.Host with { BootId = "of another machine" } });
            Assert.DoesNotContain(Foretell(subject).Findings, static finding => finding.What.Contains("lock of", StringComparison.Ordinal));
        }

        Write(manifest);
        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);

        void Write(ImageManifest changed)
        {
            using FileStream file = File.Create(Path.Combine(subject.ImagePath, ImageManifest.FileName));
            changed.Write(file);
        }
    }

    private static Subject Start(bool ownNetwork) => ownNetwork ? Subject.Of(s_ownNetwork, "1") : Subject.Python(CountsOverConnection);

    private static void AssertRoundTrip(Subject subject, string method)
    {
        CheckpointResult checkpoint = subject.Checkpoint();
        AssertChosen(checkpoint, method);
        Assert.Equal(method, checkpoint.Image.Options[NetworkLock.Option]);
        Assert.Equal(method == NetworkLock.Iptables ? 0 : 1, MethodOf(subject.ImagePath));
        Assert.True(Foretell(subject).CanRestore, string.Join('\n', Foretell(subject).Findings));

        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);
    }

    private static void AssertChosen(CheckpointResult checkpoint, string? chosen) =>
        Assert.Equal(chosen, checkpoint.Choices.SingleOrDefault(static choice => choice.Option == NetworkLock.Option)?.Value);

    private static void AssertRefused(Subject subject, CracReason reason, string what)
    {
        CracFinding finding = Assert.Single(Foretell(subject).Findings, static finding => finding.Severity == CracFindingSeverity.Blocker);
        Assert.Equal(reason, finding.Reason);
        Assert.StartsWith(what, finding.What);
        CracException failure = Expect.Failure(reason, () => subject.Restore(new() { TcpEstablished = true }));
        Assert.Contains(finding.What, failure.Message);
        Assert.Equal(finding.RecommendedAction, failure.RecommendedAction);
    }

    private static ImagePreflight Foretell(Subject subject) =>
        RestorePreflight.Examine(new RestoreRequest { Image = CracImage.Open(subject.ImagePath), Options = new() { TcpEstablished = true } });

    private static int MethodOf(string image) =>
        (int)CracImage.Open(image).Source.ReadRecords("inventory.img", ImageType.Inventory).Single().GetNumber("network_lock_method");

    private static void AssertEchoes(TcpClient client, string word)
    {
        client.GetStream().Write(Encoding.ASCII.GetBytes(word));
        Assert.Equal(word, Receive(client, word.Length));
    }

    private static string Receive(TcpClient client, int length)
    {
        byte[] bytes = new byte[length];
        client.GetStream().ReadExactly(bytes);
        return Encoding.ASCII.GetString(bytes);
    }
}
