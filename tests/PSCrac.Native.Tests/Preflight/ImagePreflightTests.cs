using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Preflight.ImageRules;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>Each situation: the prediction of preflight for the restore, the result of the engine, and whether criu alone could do more.</summary>
public class ImagePreflightTests(SituationTable messages) : IClassFixture<SituationTable>
{
    private static readonly IReadOnlyDictionary<string, RestoreSituation> s_all = new RestoreSituation[]
    {
        new("nothing happens", null, RestoreSituation.OpensFile, _ => null),
        new("pid taken by another program", CracReason.PidInUse, RestoreSituation.Quiet, scene => RestoreScene.Take(scene.ProcessId, "process")),
        new("pid taken by a zombie", CracReason.PidInUse, RestoreSituation.Quiet, scene => RestoreScene.Take(scene.ProcessId, "zombie")),
        new("pid taken by a thread", CracReason.PidInUse, RestoreSituation.Quiet, scene => RestoreScene.Take(scene.ProcessId, "thread")),
        new("pid of criu's helper for an adopted child's session taken", CracReason.PidInUse, RestoreSituation.AdoptedChild, scene =>
        {
            CracImage image = CracImage.Open(scene.Image);
            return RestoreScene.Take(PidRule.FindRequiredIds(image).Select(static required => required.Id).Except(image.Processes.SelectMany(static process => process.ThreadIds)).Single(), "process");
        }),
        new("file grown", CracReason.FileChanged, RestoreSituation.OpensFile, scene =>
        {
            File.AppendAllText(scene.File("data"), "more");
            return null;
        }),
        new("file shrunk", CracReason.FileChanged, RestoreSituation.OpensFile, scene =>
        {
            File.WriteAllText(scene.File("data"), "less");
            return null;
        }),
        new("file gone", CracReason.FileMissing, RestoreSituation.OpensFile, scene =>
        {
            File.Delete(scene.File("data"));
            return null;
        }),
        new("file replaced by one of the same size", null, RestoreSituation.OpensFile, scene =>
        {
            UnixFileMode mode = File.GetUnixFileMode(scene.File("data"));
            File.Delete(scene.File("data"));
            File.WriteAllText(scene.File("data"), "abcdefghij");
            File.SetUnixFileMode(scene.File("data"), mode);
            return null;
        }),
        new("file with other permissions", CracReason.FileChanged, RestoreSituation.OpensFile, scene =>
        {
            File.SetUnixFileMode(scene.File("data"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
            return null;
        }),
        new("folder in the place of a file", CracReason.FileChanged, RestoreSituation.OpensFile, scene =>
        {
            File.Delete(scene.File("data"));
            Directory.CreateDirectory(scene.File("data"));
            return null;
        }),
        new("log opened for appending only has grown", null, """
            f = os.open("data", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(f, b"line")
            ready(); wait()
            answer(True)
            """, scene =>
        {
            File.AppendAllText(scene.File("data"), "line");
            return null;
        }),
        new("watched folder gone", CracReason.FileMissing, RestoreSituation.Watches, scene =>
        {
            Directory.Delete(scene.File("watched"));
            return null;
        }),
        new("watched folder gone and made again", null, RestoreSituation.Watches, scene =>
        {
            Directory.Delete(scene.File("watched"));
            Directory.CreateDirectory(scene.File("watched"));
            return null;
        }),
        new("watched folder on a mount of the image's", null, """
            os.closerange(3, 20)
            os.mkdir("mounted")
            libc.mount(b"tmpfs", b"mounted", b"tmpfs", 0, None)
            os.chdir("mounted")
            """ + "\n" + RestoreSituation.Watches, _ => null)
        {
            Wrapper = ["unshare", "-m", "sh", "-c", "exec \"$@\" </dev/null >>out 2>>err", "sh"],
        },
        new("folder gone that fanotify watches", CracReason.FileMissing, """
            f = libc.fanotify_init(0, 0)
            os.mkdir("watched")
            libc.fanotify_mark(f, 1, ctypes.c_uint64(0x20), -100, b"watched")
            ready(); wait()
            answer(True)
            """, scene =>
        {
            Directory.Delete(scene.File("watched"));
            return null;
        }),
        new("mount point gone that fanotify watches", CracReason.FileMissing, """
            f = libc.fanotify_init(0, 0)
            os.mkdir("mounted")
            libc.mount(b"mounted", b"mounted", None, 4096, None)
            libc.fanotify_mark(f, 1 | 16, ctypes.c_uint64(0x20), -100, b"mounted")
            ready(); wait()
            answer(True)
            """, scene =>
        {
            CriuProgram.RunProgram("umount", scene.File("mounted"));
            Directory.Delete(scene.File("mounted"));
            return null;
        }),
        new("library of another build", CracReason.FileChanged, """
            import glob, shutil, sysconfig
            library = next(l.split()[-1] for l in open("/proc/self/maps") if "/libc.so" in l or "/libc-" in l)
            shutil.copy(library, "library.so")
            f = os.open("library.so", os.O_RDONLY)
            a = mmap.mmap(f, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)
            ready(); wait()
            answer(True)
            """, scene =>
        {
            byte[] bytes = File.ReadAllBytes(scene.File("library.so"));
            byte[] id = ElfBuildId.TryRead(scene.File("library.so"))!;
            bytes[bytes.AsSpan().IndexOf(id)] ^= 1;
            File.WriteAllBytes(scene.File("library.so"), bytes);
            return null;
        }),
        new("port taken", CracReason.AddressUnavailable, RestoreSituation.Listens, scene =>
        {
            var rival = new TcpListener(IPAddress.Loopback, int.Parse(File.ReadAllText(scene.File("port")), CultureInfo.InvariantCulture));
            rival.Start();
            return rival;
        }),
        new("another port taken", null, RestoreSituation.Listens, _ =>
        {
            var other = new TcpListener(IPAddress.Loopback, 0);
            other.Start();
            return other;
        }),
        new("address gone", CracReason.AddressUnavailable, RestoreSituation.Listens, _ =>
        {
            TestAddress.Remove();
            return null;
        }) { Wrapper = ["env", $"ADDRESS={TestAddress.Text}"] },
        new("multicast and broadcast addresses", null, """
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            u.bind(("239.1.2.3", 0))
            b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            b.bind(("127.255.255.255", 0))
            ready(); wait()
            answer(u.getsockname()[0] == "239.1.2.3" and b.getsockname()[0] == "127.255.255.255")
            """, _ => null),
        new("address never there, IPv6 datagram", null, """
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            s.setsockopt(socket.IPPROTO_IPV6, 78, 1)
            s.bind(("2001:db8::78", 0))
            ready(); wait()
            answer(s.getsockname()[0] == "2001:db8::78")
            """, _ => null),
        new("address never there (IP_FREEBIND), IPv6", null, """
            s = socket.socket(socket.AF_INET6)
            s.setsockopt(socket.IPPROTO_IPV6, 78, 1)
            s.bind(("2001:db8::77", 0)); s.listen()
            ready(); wait()
            answer(s.getsockname()[0] == "2001:db8::77")
            """, _ => null),
        new("image file cut short", CracReason.ImageIncomplete, RestoreSituation.Quiet, scene =>
        {
            using FileStream file = File.OpenWrite(scene.Entry("mm-*.img"));
            file.SetLength(file.Length - 3);
            return null;
        }),
        new("removed folder there again, empty", null, """
            os.mkdir("gone"); d = os.open("gone", os.O_RDONLY); os.rmdir("gone")
            ready(); wait()
            answer(os.listdir(d) == [] and os.path.isdir("gone"))
            """, scene =>
        {
            Directory.CreateDirectory(scene.File("gone"));
            return null;
        }),
        new("removed working folder there again, with content", null, """
            os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
            ready(); wait()
            answer(os.listdir(".") == [] and os.listdir(BASE + "gone") == ["new"])
            """, scene =>
        {
            Directory.CreateDirectory(scene.File("gone"));
            File.WriteAllText(scene.File("gone/new"), "");
            return null;
        }),
        new("unlinked file on a file system that is read-only by then", CracReason.FileUnlinked, """
            os.mkdir("mounted")
            libc.mount(b"tmpfs", b"mounted", b"tmpfs", 0, None)
            f = os.open("mounted/file", os.O_RDONLY | os.O_CREAT); os.unlink("mounted/file")
            ready(); wait()
            answer(True)
            """, scene =>
        {
            CriuProgram.RunProgram("mount", "-o", "remount,ro", scene.File("mounted"));
            return new Unmounting(scene.File("mounted"));
        }),
        new("unlinked file in a removed folder on a mount that is read-only by then", CracReason.FileUnlinked, """
            os.mkdir("mounted")
            libc.mount(b"tmpfs", b"mounted", b"tmpfs", 0, None)
            os.mkdir("mounted/gone")
            f = os.open("mounted/gone/file", os.O_RDONLY | os.O_CREAT); os.unlink("mounted/gone/file"); os.rmdir("mounted/gone")
            ready(); wait()
            answer(True)
            """, scene =>
        {
            CriuProgram.RunProgram("mount", "-o", "remount,ro,bind", scene.File("mounted"));
            return new Unmounting(scene.File("mounted"));
        }),
        new("file in proc of a process outside that has ended since", CracReason.ProcessGone, """
            until("partner-ready")
            f = os.open("/proc/%s/status" % open("partner").read(), os.O_RDONLY)
            ready(); wait()
            answer(True)
            """, UntilPartnerIsGone) { Partner = SaysItsPid },
        new("folder in proc of a process outside that has ended since", CracReason.ProcessGone, """
            until("partner-ready")
            f = os.open("/proc/%s/ns" % open("partner").read(), os.O_RDONLY)
            ready(); wait()
            answer(True)
            """, UntilPartnerIsGone) { Partner = SaysItsPid },
        new("image file gone", CracReason.ImageIncomplete, RestoreSituation.Quiet, scene =>
        {
            File.Delete(scene.Entry("core-*.img"));
            return null;
        }),
        new("helper link used up", CracReason.ImageConsumed, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.link("data", "other")
            os.unlink("data")
            ready(); wait()
            answer(True)
            """, scene =>
        {
            File.Delete(Directory.GetFiles(scene.Folder, "link_remap.*")[0]);
            return null;
        }),
        new("image restored before, and can be restored once", CracReason.ImageConsumed, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.link("data", "other")
            os.unlink("data")
            ready(); wait()
            answer(True)
            """, scene =>
        {
            using CracRestoredProcess first = PSCrac.Restoring.Restore.Run(new RestoreRequest { Image = CracImage.Open(scene.Image), PidTimeout = Wait.Limit });
            CriuProgram.Kill("-KILL", first.Id.ToString(CultureInfo.InvariantCulture));
            Wait.Until(() => ProcessStatus.TryRead(first.Id) is null, () => "it stays");
            return null;
        }),
        new("processor without an instruction", CracReason.CpuIncompatible, RestoreSituation.Quiet, scene =>
        {
            scene.EditManifest(static manifest => manifest with { Host = manifest.Host with { CpuFeatures = [.. manifest.Host.CpuFeatures, "avx9999"] } });
            return null;
        }) { IsPSCracOnly = true },
        new("another kind of processor", CracReason.CpuIncompatible, RestoreSituation.Quiet, scene =>
        {
            scene.EditManifest(static manifest => manifest with { Host = manifest.Host with { Architecture = "s390x" } });
            return null;
        }) { IsPSCracOnly = true },
        new("kernel older than that of the checkpoint", null, RestoreSituation.Quiet, scene =>
        {
            scene.EditManifest(static manifest => manifest with { Host = manifest.Host with { Kernel = "99.1.0" } });
            return null;
        }) { ExpectedWarning = "kernel 99.1" },
        new("criu older than that of the checkpoint", null, RestoreSituation.Quiet, scene =>
        {
            scene.EditManifest(static manifest => manifest with { CriuVersion = "99.1" });
            return null;
        }) { ExpectedWarning = "criu 99.1" },
        new("terminal gone", null, """
            until("partner-ready")
            f = os.open(open(BASE + "name").read(), os.O_RDWR | os.O_NOCTTY)
            ready(); wait()
            answer(os.isatty(f) or os.readlink("/proc/self/fd/%d" % f) == "/dev/null")
            """, _ => null)
        {
            Partner = """
                pair = os.openpty()
                open("name", "w").write(os.ttyname(pair[1]))
                ready()
                time.sleep(600)
                """,
            ExpectedWarning = PreflightEnvironment.Read().HasTerminal ? null : "terminal",
        },
        new("session's leader ended, and its pid taken", CracReason.PidInUse, """
            libc.prctl(36, 1, 0, 0, 0)
            r, w = os.pipe()
            leader = os.fork()
            if leader == 0:
                os.setsid()
                os.write(w, b"%d" % child(lambda: None))
                os._exit(0)
            os.waitpid(leader, 0)
            os.read(r, 20)
            open("leader", "w").write(str(leader))
            ready(); wait()
            answer(True)
            """, scene => RestoreScene.Take(int.Parse(File.ReadAllText(scene.File("leader")), CultureInfo.InvariantCulture), "process")),
        new("mounts, and no root for them", CracReason.NamespaceUnsupported, "os.closerange(3, 20)\n" + RestoreSituation.Quiet, scene =>
        {
            scene.EditManifest(static manifest => manifest with { Options = new Dictionary<string, object>() });
            return null;
        })
        {
            Wrapper = ["unshare", "-m", "sh", "-c", "exec \"$@\" </dev/null >>out 2>>err", "sh"],
        },
        new("image of another user", CracReason.ImageNotTrusted, RestoreSituation.Quiet, scene =>
        {
            CriuProgram.RunProgram("chown", "65534", scene.Entry("pages-*.img"));
            return null;
        }) { IsPSCracOnly = true },
        new("image that others may write to", CracReason.ImageNotTrusted, RestoreSituation.Quiet, scene =>
        {
            File.SetUnixFileMode(scene.Image, (UnixFileMode)0x1fd);
            return null;
        }) { IsPSCracOnly = true },
        new("image file that is a link", CracReason.ImageNotTrusted, RestoreSituation.Quiet, scene =>
        {
            string pages = scene.Entry("pages-*.img");
            File.Move(pages, scene.File("pages"));
            File.CreateSymbolicLink(pages, scene.File("pages"));
            return null;
        }) { IsPSCracOnly = true },
    }.ToDictionary(situation => situation.Name);

    public static TheoryData<string> Names => [.. s_all.Keys];

    [CriuTheory("ip")]
    [MemberData(nameof(Names))]
    public void A_restore_is_predicted(string name)
    {
        RestoreSituation situation = s_all[name];
        using IDisposable? address = name == "address gone" ? TestAddress.Add() : null;
        List<string> command = [.. situation.Wrapper, PythonProgram.Path!, "-c", ProcessShape.Prelude + situation.Program];
        using var program = TestProgram.Start(command[0], command[1..]);
        string prelude = ProcessShape.Prelude.Replace("\"ready\"", "\"partner-ready\"", StringComparison.Ordinal);
        using TestProgram? partner = situation.Partner is null ? null : program.StartPartner(PythonProgram.Path!, ["-c", prelude + situation.Partner]);
        Wait.Until(() => File.Exists(Path.Combine(program.Folder, "ready")), program.ReadErrors);
        program.Remember();
        string folder = Directory.CreateTempSubdirectory("pscrac-image-").FullName;
        try
        {
            string image = Path.Combine(folder, "image");
            PSCrac.Checkpointing.Checkpoint.Run(new CheckpointRequest { ProcessId = program.ProcessId, ImagePath = image, NoSync = true, PidTimeout = Wait.Limit });
            if (partner is not null)
            {
                CriuProgram.Kill("-KILL", partner.ProcessId.ToString(CultureInfo.InvariantCulture));
            }

            using IDisposable? change = situation.Change(new RestoreScene(program.ProcessId, program.Folder, image));
            var request = new RestoreRequest { Image = CracImage.Open(image), PidTimeout = TimeSpan.Zero };

            ImagePreflight preflight = RestorePreflight.Examine(request);
            string found = string.Join('\n', preflight.Findings);

            Assert.True(preflight.CanRestore == situation.Reason is null, found);
            if (situation.ExpectedWarning is { } warns)
            {
                Assert.Contains(preflight.Findings, finding => finding.Severity == CracFindingSeverity.Warning && finding.What.Contains(warns, StringComparison.Ordinal));
            }

            if (situation.Reason is { } reason)
            {
                CracFinding blocker = preflight.Findings[0];
                Assert.Equal(reason, blocker.Reason);
                Assert.NotNull(blocker.RecommendedAction);
                CracException refusal = Expect.Failure(reason, () => PSCrac.Restoring.Restore.Run(request));
                Assert.True(refusal.LogPath is null, "criu was started");
                messages.Add(name, $"{refusal.Message}\n  Recommendation: {refusal.RecommendedAction}");
                if (!situation.IsPSCracOnly)
                {
                    AssertCriuFails(image);
                    CracException failure = Assert.Throws<CracException>(() => PSCrac.Restoring.Restore.Run(request with { SkipPreflight = true }));
                    Assert.True(failure.Reason != CracReason.Unknown, $"{failure.Message}\n{string.Join('\n', failure.CriuLines)}");
                }
            }
            else
            {
                using CracRestoredProcess restored = PSCrac.Restoring.Restore.Run(request with { PidTimeout = Wait.Limit });
                program.Remember();
                if (situation.ExpectedWarning is { } said)
                {
                    Assert.Contains(restored.Findings.Select(static finding => finding.What).Concat(restored.Warnings), text => text.Contains(said, StringComparison.Ordinal));
                }

                File.WriteAllText(Path.Combine(program.Folder, "go"), "");
                Wait.Until(() => File.Exists(Path.Combine(program.Folder, "answer")), program.ReadErrors);
                Assert.Equal("good", File.ReadAllText(Path.Combine(program.Folder, "answer")));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Proves that the blocker is not PSCrac's own: criu alone, with the options of the manifest, cannot restore either.</summary>
    private static void AssertCriuFails(string image)
    {
        IEnumerable<string> arguments = CracImage.Open(image).Options.Keys.Where(static name => name is not ("ghost-limit" or "root")).Select(static name => "--" + name);
        (int restored, string errors) = CriuProgram.Run(["restore", "-d", "-D", image, "-v4", "-o", "restore.log", .. arguments]);
        Assert.True(restored != 0, $"criu did it: {errors}");
    }

    [CriuFact]
    public void Options_and_privileges_of_the_caller_are_considered()
    {
        using var program = TestProgram.Shell("echo ready; exec sleep 600");
        program.WaitForLine("ready");
        string image = Directory.CreateTempSubdirectory("pscrac-image-").FullName;
        try
        {
            string id = program.ProcessId.ToString(CultureInfo.InvariantCulture);
            (int dumped, string errors) = CriuProgram.Run("dump", "-t", id, "-D", image, "--leave-running", "-v4", "-o", "dump.log");
            Assert.True(dumped == 0, errors);
            CracImage opened = CracImage.Open(image);

            // It still runs, so it has its own pid.
            ImagePreflight taken = ImagePreflight.Examine(opened);
            Assert.Equal(CracReason.PidInUse, taken.Findings[0].Reason);
            Assert.Contains($"sleep ({id})", taken.Findings[0].What, StringComparison.Ordinal);
            Assert.True(ImagePreflight.Examine(opened, new ImagePreflightOptions { NewPidNamespace = true }).CanRestore);

            PreflightEnvironment user = PreflightEnvironment.Read() with { UserId = 1000, Capabilities = 0 };
            ImagePreflight unprivileged = ImagePreflight.Examine(opened, new ImagePreflightOptions { NewPidNamespace = true }, user);
            Assert.Equal(CracReason.PermissionDenied, Assert.Single(unprivileged.Findings, finding => finding.Severity == CracFindingSeverity.Blocker).Reason);
            Assert.Contains(unprivileged.Findings, finding => finding.What.Contains("CAP_CHECKPOINT_RESTORE", StringComparison.Ordinal));

            // Its own process, but not its own namespace.
            PreflightEnvironment owner = PreflightEnvironment.Read() with { Capabilities = 1ul << 40 };
            CracFinding refused = Assert.Single(ImagePreflight.Examine(opened, new ImagePreflightOptions { NewPidNamespace = true }, owner).Findings, finding => finding.Severity == CracFindingSeverity.Blocker);
            Assert.Contains("CAP_SYS_ADMIN", refused.What, StringComparison.Ordinal);
            Assert.DoesNotContain(ImagePreflight.Examine(opened, environment: owner).Findings, finding => finding.Reason == CracReason.PermissionDenied);
        }
        finally
        {
            Directory.Delete(image, recursive: true);
        }
    }

    [CriuFact("python3")]
    public void A_path_that_is_watched_several_times_is_reported_once()
    {
        using var folder = new TemporaryFolder();
        string watched = Directory.CreateDirectory(folder.At("watched")).FullName;
        using Subject subject = Subject.Of(["python3", "-c", """
            import ctypes, signal, sys
            libc = ctypes.CDLL(None)
            for i in range(2):
                libc.inotify_add_watch(libc.inotify_init1(0), sys.argv[1].encode(), 0x100)
            libc.fanotify_mark(libc.fanotify_init(0, 0), 1, ctypes.c_uint64(0x20), -100, sys.argv[1].encode())
            print("ready", flush=True)
            signal.pause()
            """, watched]);

        subject.Checkpoint();
        Directory.Delete(watched);
        CracFinding finding = Assert.Single(ImagePreflight.Examine(CracImage.Open(subject.ImagePath)).Findings, finding => finding.Reason == CracReason.FileMissing);

        Assert.StartsWith(watched, finding.What, StringComparison.Ordinal);
        Assert.Contains($"New-Item -ItemType Directory '{watched}'", finding.RecommendedAction, StringComparison.Ordinal);
    }

    // A zombie still has its files in /proc.
    private static IDisposable? UntilPartnerIsGone(RestoreScene scene)
    {
        string partner = "/proc/" + File.ReadAllText(scene.File("partner"));
        Wait.Until(() => !Directory.Exists(partner), () => $"{partner} is still there");
        return null;
    }

    private const string SaysItsPid = "open('partner', 'w').write(str(os.getpid())); ready(); time.sleep(600)";

    private sealed class Unmounting(string path) : IDisposable
    {
        public void Dispose() => CriuProgram.RunProgram("umount", "-l", path);
    }

    /// <summary>An address of this machine's loopback interface that is not a loopback address, for the duration of a test.</summary>
    private sealed class TestAddress : IDisposable
    {
        internal const string Text = "198.51.100.77";

        internal static TestAddress Add()
        {
            CriuProgram.RunProgram("ip", "address", "add", $"{Text}/32", "dev", "lo");
            return new TestAddress();
        }

        internal static void Remove() => CriuProgram.RunProgram("ip", "address", "del", $"{Text}/32", "dev", "lo");

        public void Dispose() => Remove();
    }
}
