using System.Diagnostics;
using PSCrac.Criu;
using PSCrac.Images.Operations;
using PSCrac.Moving;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Moving;

/// <summary>Moves in which most of the memory follows when the process runs on the other host.</summary>
[Collection(AloneCollection.Name)]
public sealed class LazyMoveTests : IDisposable
{
    private const int Mebibytes = 100;
    private readonly FarHost _far = new();

    public void Dispose() => _far.Dispose();

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void A_process_runs_there_before_its_memory_is_there_and_gets_all_of_it()
    {
        using var program = new CheckingProgram(Mebibytes);

        CracMovedProcess moved = Move(program, new() { ProcessId = 0, Host = _far.Host });

        Assert.Equal(CracMoveState.Moved, moved.State);
        Assert.Contains(_far.Processes(), status => status.ProcessId == Assert.Single(program.Find()));
        program.RequireSound();
        Assert.InRange(moved.BytesSentBefore, 1, 5_000_000);
        Assert.InRange(moved.BytesSent, (long)Mebibytes << 20, (long)(Mebibytes + 16) << 20);
        Assert.True(moved.TransferTime > moved.Downtime);
        Assert.Null(moved.ImagePath);
        Assert.Empty(moved.Warnings);
        RequireNothingLeft();
    }

    [CriuTheory("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    [InlineData(MoveParts.Link)]
    [InlineData(MoveParts.Ssh)]
    [InlineData(MoveParts.Sshd)]
    [InlineData(MoveParts.FarSession)]
    [InlineData(MoveParts.PageGuard)]
    public void The_rest_comes_whatever_part_of_the_way_is_lost(string killed)
    {
        using var program = new CheckingProgram(Mebibytes);

        CracMovedProcess moved = Move(program, new() { ProcessId = 0, Host = _far.Host, Reached = At(MoveState.Moved, () => Kill(killed)) });

        Assert.Equal(CracMoveState.Moved, moved.State);
        program.RequireSound();
        Assert.InRange(moved.BytesSent, (long)Mebibytes << 20, (long)(Mebibytes + 24) << 20);
        Assert.Null(moved.ImagePath);
        RequireNothingLeft();
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void Without_its_page_daemon_the_process_is_ended_before_it_reads_zeros()
    {
        using var program = new CheckingProgram(Mebibytes);

        CracMovedProcess moved = Move(program, new() { ProcessId = 0, Host = _far.Host, Reached = At(MoveState.Moved, () => Kill(MoveParts.PageDaemon)) });

        RequireLost(program, moved);
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void Where_no_connection_can_be_made_again_the_process_is_ended_there()
    {
        using var program = new CheckingProgram(Mebibytes);

        CracMovedProcess moved = Move(
            program,
            new()
            {
                ProcessId = 0,
                Host = _far.Host,
                PagesLimit = TimeSpan.FromSeconds(2),
                Reached = At(MoveState.Moved, () =>
                {
                    File.Delete(_far.At("ssh_config"));
                    Kill(MoveParts.Link);
                }),
            });

        RequireLost(program, moved);
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void A_link_that_is_cut_while_the_other_side_restores_lets_the_process_continue_here()
    {
        using var program = new CheckingProgram(Mebibytes);

        CracException e = Assert.Throws<CracException>(() => Move(
            program,
            new()
            {
                ProcessId = 0,
                Host = _far.Host,
                Reached = At(MoveState.Restoring, () =>
                {
                    // It has connected to the page daemon, and does not come as far as READY.
                    Wait.Until(() => _far.Find("swrk").Count > 0, () => "nothing is restored there");
                    int criu = _far.Find("swrk")[0].ProcessId;
                    CriuProgram.Kill("-STOP", $"{criu}");
                    Kill(MoveParts.Link);
                    CriuProgram.Kill("-CONT", $"{criu}");
                }),
            }));

        Assert.Equal(CracReason.ConnectionLost, e.Reason);
        Assert.Equal(program.ProcessId, Assert.Single(program.Find()));
        program.RequireSound();
        RequireNothingLeft();
        Assert.Empty(MoveRemains.Names(MoveRecords.Folder));
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void A_session_that_is_killed_while_pages_are_missing_leaves_an_image_and_the_process_is_ended_there()
    {
        using var program = new CheckingProgram(Mebibytes);
        string[] command = MoveFault.SessionCommand(program.ProcessId, lazyPages: true);
        using var session = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        while (session.StandardOutput.ReadLine() is { } line && line != $"{MoveState.Moved}")
        {
            session.StandardInput.WriteLine();
        }

        Assert.Contains(_far.Processes(), status => status.ProcessId == Assert.Single(program.Find()));

        session.Kill();

        session.WaitForExit();
        MoveUnsettled unsettled = Assert.Single(MoveRecords.ReadUnsettled());
        Assert.True(unsettled.Record.IsGiven);
        Assert.Empty(unsettled.Left);
        Assert.Contains($"Restore-CracProcess '{unsettled.Record.ImagePath}'", unsettled.Describe());
        Wait.Until(() => program.Find().Count == 0, () => "it still runs");
        program.RequireSoundSoFar();
        Wait.Until(() => _far.Find("--pages").Count + _far.Find("receive").Count == 0, () => "the page daemon, its guard or the receiver is left");
        Assert.True(CracImage.Open(unsettled.Record.ImagePath).IsRestorable(out string? missing), missing);
        Directory.Delete(unsettled.Record.ImagePath, recursive: true);
        Assert.Empty(MoveRecords.ReadUnsettled());
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void Memory_that_is_moved_given_back_and_forked_before_it_came_is_what_it_was()
    {
        using TestProgram program = TestProgram.Start(
            PythonProgram.Path!,
            [
                "-c",
                """
                import ctypes, mmap, os, time
                libc = ctypes.CDLL(None)
                libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
                libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
                libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
                libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
                libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
                MB = 1 << 20
                def area():
                    at = libc.mmap(None, 20 * MB, 3, 0x22, -1, 0)
                    for page in range(20 * 256):
                        ctypes.memmove(at + (page << 12), (page + 1).to_bytes(4, "little"), 4)
                    return at
                def number(at, page):
                    return int.from_bytes(ctypes.string_at(at + (page << 12), 4), "little")
                one, two, three = area(), area(), area()
                open("ready", "w").close()
                while not os.path.exists("go"):
                    time.sleep(.001)
                wrong = []
                def check(at, pages, expected, what):
                    for page in pages:
                        if number(at, page) != expected(page):
                            wrong.append("%s %d is %d" % (what, page, number(at, page)))
                            return
                moved = libc.mremap(one, 20 * MB, 200 * MB, 1)
                check(moved, range(0, 5120, 7), lambda page: page + 1, "moved")
                libc.munmap(two + 5 * MB, 5 * MB)
                libc.madvise(two + 10 * MB, 5 * MB, 4)
                check(two, range(0, 1280), lambda page: page + 1, "before the hole")
                check(two, range(2560, 3840), lambda page: 0, "given back")
                check(two, range(3840, 5120), lambda page: page + 1, "behind")
                child = os.fork()
                check(three, range(5119, -1, -1), lambda page: page + 1, "forked")
                check(moved, range(5119, -1, -1), lambda page: page + 1, "moved and forked")
                if child == 0:
                    os._exit(len(wrong))
                wrong += ["child"] * os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                open("part", "w").write("; ".join(wrong) or "good")
                os.rename("part", "answer")
                time.sleep(1000)
                """,
            ]);
        string folder = program.Folder;
        Wait.Until(() => File.Exists(Path.Combine(folder, "ready")), () => program.ReadErrors());

        using (Move move = PSCrac.Moving.Move.Prepare(
            new()
            {
                ProcessId = program.ProcessId,
                Host = _far.Host,
                LazyPages = true,

                // Nothing comes until it runs, and wants pages.
                Reached = At(MoveState.Moved, () => File.WriteAllText(Path.Combine(folder, "go"), "")),
            },
            null,
            CancellationToken.None))
        {
            Assert.Equal(CracMoveState.Moved, move.Run(null, CancellationToken.None).State);
        }

        Wait.Until(() => File.Exists(Path.Combine(folder, "answer")), () => program.ReadErrors());
        Assert.Equal("good", File.ReadAllText(Path.Combine(folder, "answer")));
    }

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void Images_that_are_kept_are_whole_on_both_sides()
    {
        using var program = new CheckingProgram(16);

        CracMovedProcess moved = Move(program, new() { ProcessId = 0, Host = _far.Host, KeepImage = true });

        string pages = Assert.Single(Directory.GetFiles(moved.ImagePath!, "pages-*.img"));
        Assert.Equal(File.ReadAllBytes(pages), File.ReadAllBytes(Path.Combine(moved.RemoteImagePath!, Path.GetFileName(pages))));
        ImageRemoval.Remove(CracImage.Open(moved.ImagePath!), force: true);
    }

    [CriuTheory("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    [InlineData(true, 0)]
    [InlineData(false, 0)]

    // MAP_NORESERVE, which the kernel does not count.
    [InlineData(true, 0x4000)]
    public void More_reserved_memory_than_the_other_host_has_is_told_before_anything_is_frozen(bool isLazy, int flags)
    {
        using TestProgram program = TestProgram.Start(
            PythonProgram.Path!,
            [
                "-c",
                """
                import ctypes, sys, time
                libc = ctypes.CDLL(None)
                libc.mmap.restype = ctypes.c_void_p
                assert libc.mmap(None, ctypes.c_size_t(4 << 40), 0, 0x22 | int(sys.argv[1]), -1, ctypes.c_long(0)) != ctypes.c_void_p(-1).value
                print("reserved", flush=True)
                time.sleep(1000)
                """,
                $"{flags}",
            ]);
        program.WaitForLine("reserved");
        var reached = new List<MoveState>();

        using Move move = PSCrac.Moving.Move.Prepare(
            new() { ProcessId = program.ProcessId, Host = _far.Host, LazyPages = isLazy, Reached = reached.Add }, null, CancellationToken.None);

        if (isLazy && flags == 0 && CriuInstallation.Locate().GetVersion() < new Version(4, 3))
        {
            CracException refused = Expect.Failure(CracReason.ResourceUnsupported, () => move.Run(null, CancellationToken.None));
            Assert.Contains("4096 GiB", refused.Message);
            Assert.Contains("-LazyPages", refused.RecommendedAction);
            Assert.Equal(program.ProcessId, Assert.Single(refused.Findings, static finding => finding.Severity == CracFindingSeverity.Blocker).ProcessId);
        }
        else
        {
            move.RequirePossible();
        }

        Assert.Equal([MoveState.Connected], reached);
        Assert.NotEqual(ProcessState.Stopped, ProcessStatus.TryRead(program.ProcessId)!.State);
    }

    private static Action<MoveState> At(MoveState state, Action then) => reached =>
    {
        if (reached == state)
        {
            then();
        }
    };

    private static CracMovedProcess Move(CheckingProgram program, MoveRequest request)
    {
        using Move move = PSCrac.Moving.Move.Prepare(request with { ProcessId = program.ProcessId, LazyPages = true }, null, CancellationToken.None);
        return move.Run(null, CancellationToken.None);
    }

    // It runs nowhere, has read no zeros, and can continue here from its image.
    private void RequireLost(CheckingProgram program, CracMovedProcess moved)
    {
        Assert.Equal(CracMoveState.Lost, moved.State);
        Assert.Contains($"Restore-CracProcess '{moved.ImagePath}'", moved.RecommendedAction);
        Wait.Until(() => program.Find().Count == 0, () => "it still runs");
        program.RequireSoundSoFar();
        Assert.True(CracImage.IsImageDirectory(moved.ImagePath!));
        ImageRemoval.Remove(CracImage.Open(moved.ImagePath!), force: true);
        Wait.Until(() => _far.Find("--pages").Count == 0, () => "the page daemon or its guard is left");
    }

    private void Kill(string part) => Assert.NotEqual(0, new MoveParts(_far).Kill(part));

    // Neither daemons nor sessions, and no records.
    private void RequireNothingLeft()
    {
        Wait.Until(
            () => _far.Find("receive").Count + _far.Find("swrk").Count + _far.Find("sshd").Count + _far.Find("--pages").Count == 0,
            () => "left on the far side: " + string.Join(", ", _far.Processes().Select(static each => FarHost.CommandLineOf(each.ProcessId))));
        string folder = Path.Combine(_far.StateRoot, "moves");
        Assert.Empty(Directory.Exists(folder) ? Directory.GetFiles(folder) : []);
    }
}
