using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>Programs that criu runs to read out namespaces and to make them again, on machines that do not have them.</summary>
[Collection(AloneCollection.Name)]
public class MissingProgramTests
{
    private static readonly string[] s_network = ["unshare", "-n", "python3", "-c", Subject.Counter];

    [CriuFact("python3", "ip", "unshare")]
    public void A_network_namespace_without_ip_is_refused_at_both_ends_before_criu_starts()
    {
        using Subject subject = Subject.Of(s_network, "1");
        using (new WithoutPrograms("ip"))
        {
            CracException failure = Expect.Failure(CracReason.ProgramMissing, () => subject.Checkpoint());
            Assert.Contains("there is no ip", failure.Message);
            Assert.Contains("iproute2", failure.RecommendedAction);
            Assert.Null(failure.LogPath);
            subject.AssertUnharmed();
        }

        subject.Checkpoint();
        using (new WithoutPrograms("ip"))
        {
            AssertRefused(subject, "iproute2");
        }

        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3", "ip", "unshare")]
    public void An_ip_of_BusyBox_is_none()
    {
        using Subject subject = Subject.Of(s_network, "1");
        using var programs = new WithoutPrograms("ip", "busybox");
        File.WriteAllText(Path.Combine(programs.Folder, "busybox"), "#!/bin/sh\nexit 1\n");
        File.SetUnixFileMode(Path.Combine(programs.Folder, "busybox"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.CreateSymbolicLink(Path.Combine(programs.Folder, "ip"), "busybox");

        CracException failure = Expect.Failure(CracReason.ProgramMissing, () => subject.Checkpoint());

        Assert.Contains("iproute2", failure.RecommendedAction);
    }

    [CriuTheory("unshare")]
    [InlineData("tar")]
    [InlineData("gzip")]
    public void A_tmpfs_of_its_own_without_tar_or_gzip_is_refused_beforehand(string program)
    {
        using var run = new CriuRun(["unshare", "-m", "sh", "-c", "mount -t tmpfs own /mnt && echo ready && exec sleep 600"]);
        using var programs = new WithoutPrograms(program);

        CracFinding finding = Assert.Single(
            ProcessPreflight.Examine(run.ProcessId).Findings, static finding => finding.Reason == CracReason.ProgramMissing);

        Assert.Equal(CracFindingSeverity.Blocker, finding.Severity);
        Assert.Contains($"there is no {program}", finding.What);
        Assert.Equal($"Install the package {program}.", finding.RecommendedAction);
    }

    [CriuFact("python3", "ip", "unshare")]
    public void Rules_of_iptables_that_criu_would_leave_out_are_told()
    {
        // To ask the kernel about a table makes the table, as the program's first use does: IPT_SO_GET_INFO of ip_tables.h.
        using var run = new CriuRun(
            """
            s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)
            info = ctypes.create_string_buffer(b"filter", 84)
            libc.getsockopt(s.fileno(), 0, 64, info, ctypes.byref(ctypes.c_int(84)))
            s.close()
            """, 0, "unshare", "-n");
        using var programs = new WithoutPrograms("iptables", "ip6tables");
        string list = $"/proc/{run.ProcessId}/net/ip_tables_names";
        bool hasTables = File.Exists(list) && File.ReadAllText(list).Length > 0;

        CracFinding[] told = [.. ProcessPreflight.Examine(run.ProcessId).Findings.Where(static finding => finding.What.Contains("tables rules"))];

        // A kernel without the old tables can have no rules in them.
        Assert.Equal(hasTables ? [CracFindingSeverity.Warning] : [], told.Select(static finding => finding.Severity));
        Assert.All(told, static finding => Assert.Equal("Install the package iptables.", finding.RecommendedAction));
    }

    [CriuFact("python3", "ip", "unshare")]
    [Reaches("no iptables to restore to")]
    public void An_image_with_a_file_of_iptables_rules_is_refused_without_them()
    {
        using Subject subject = Subject.Of(s_network, "1");
        subject.DumpWithCriu("--network-lock", "nftables");
        string id = Path.GetFileName(Directory.GetFiles(subject.ImagePath, "netns-*.img").Single(static file => !file.Contains("-ct-") && !file.Contains("-exp-")))["netns-".Length..];
        File.WriteAllText(Path.Combine(subject.ImagePath, "iptables-" + id), "");
        using var programs = new WithoutPrograms("iptables", "ip6tables");

        AssertRefused(subject, "iptables");
        CracException failure = Expect.Failure(CracReason.ProgramMissing, () => subject.Restore(skipPreflight: true));
        Assert.NotEmpty(failure.CriuLines);
        Assert.Contains("iptables-legacy-restore", failure.Message);
    }

    [CriuFact("python3", "ip", "unshare")]
    [Reaches("no ip")]
    public void What_criu_says_without_ip_is_known()
    {
        using var run = new CriuRun("", 0, "unshare", "-n");
        using var programs = new WithoutPrograms("ip");

        CracException failure = run.Dump(new() { NetworkLock = NetworkLock.Nftables })!;

        Assert.Equal(CracReason.ProgramMissing, failure.Reason);
        Assert.Contains("iproute2", failure.RecommendedAction);
    }

    [CriuFact("python3", "unshare")]
    [Reaches("no tar")]
    public void What_criu_says_without_tar_is_known()
    {
        using var run = new CriuRun(
            "os.closerange(3, 20); os.mkdir('own'); libc.mount(b'own', b'own', b'tmpfs', 0, None)", 0, "unshare", "-m", "sh", "-c", "exec \"$@\" </dev/null >>out 2>>err", "sh");
        using var programs = new WithoutPrograms("tar");

        CracException failure = run.Dump()!;

        Assert.Equal(CracReason.ProgramMissing, failure.Reason);
        Assert.Contains("tar", failure.RecommendedAction);
    }

    private static void AssertRefused(Subject subject, string package)
    {
        var request = new RestoreRequest { Image = CracImage.Open(subject.ImagePath) };
        CracFinding finding = Assert.Single(RestorePreflight.Examine(request).Findings, static finding => finding.Severity == CracFindingSeverity.Blocker);
        Assert.Equal(CracReason.ProgramMissing, finding.Reason);
        Assert.Contains(package, finding.RecommendedAction);
        CracException failure = Expect.Failure(CracReason.ProgramMissing, () => subject.Restore());
        Assert.Equal(finding.RecommendedAction, failure.RecommendedAction);
        Assert.Null(failure.LogPath);
    }
}
