using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Operations;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Model;

/// <summary>A manifest that was edited, or removed: a restore restores what criu's files hold, and says what it could not compare.</summary>
public class ManifestAgreementTests
{
    private const string Unlinking = "import os, signal\nf = open('data', 'w')\nos.link('data', 'other')\nos.unlink('data')\nprint('ready', flush=True)\nsignal.pause()";

    private static readonly Dictionary<string, Func<ImageManifest, ImageManifest>> s_edits = new()
    {
        ["another root"] = static manifest => manifest with { Process = manifest.Process with { RootPid = manifest.Process.RootPid + 1 } },
        ["the init as root"] = static manifest => manifest with { Process = manifest.Process with { RootPid = 1 } },
        ["no root"] = static manifest => manifest with { Process = manifest.Process with { RootPid = 0 } },
        ["more processes"] = static manifest => manifest with { Process = manifest.Process with { ProcessCount = 3 } },
        ["no processes"] = static manifest => manifest with { Process = manifest.Process with { ProcessCount = 0 } },
        ["more threads"] = static manifest => manifest with { Process = manifest.Process with { ThreadCount = 12 } },
        ["once only"] = static manifest => manifest with { OneShot = true },
        ["a helper link that criu did not make"] = static manifest => manifest with { OutsideFiles = [new("/tmp/link_remap.7", 1, 0)] },
        ["a socket that nobody bound"] = static manifest => manifest with { Process = manifest.Process with { RenamedSockets = new Dictionary<string, string> { ["/tmp/pscrac-none"] = "/tmp/pscrac-other" } } },
        ["a file that nobody has open"] = static manifest => manifest with { KeptFiles = [new("/tmp/hsperfdata_root/1", "hsperfdata-1", 0, 0, 0x180)] },
    };

    /// <summary>What is edited, and where the image is restored to.</summary>
    public static TheoryData<string, CracPidNamespace> Edits
    {
        get
        {
            var data = new TheoryData<string, CracPidNamespace>();
            foreach (string name in s_edits.Keys)
            {
                data.Add(name, CracPidNamespace.Host);
                data.Add(name, CracPidNamespace.New);
            }

            return data;
        }
    }

    [CriuTheory]
    [MemberData(nameof(Edits))]
    public void A_manifest_that_contradicts_crius_files_is_damage(string edit, CracPidNamespace place)
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        EditManifest(subject.ImagePath, s_edits[edit]);
        var request = new RestoreRequest { Image = CracImage.Open(subject.ImagePath), PidNamespace = place };

        CracException failure = Expect.Failure(CracReason.ImageCorrupt, () => Restore.Run(request));
        Assert.Equal(ImageManifest.FileName, failure.FileName);
        Assert.True(Subject.HasEnded(subject.ProcessId));
        Assert.Contains(
            RestorePreflight.Examine(request).Findings,
            static finding => finding is { Severity: CracFindingSeverity.Blocker, Reason: CracReason.ImageCorrupt } && finding.What.Contains(ImageManifest.FileName, StringComparison.Ordinal));
    }

    [CriuFact("python3")]
    public void An_image_with_helper_links_is_restored_once_whatever_its_manifest_says()
    {
        using Subject subject = Subject.Python(Unlinking, "ready");
        subject.Checkpoint();
        EditManifest(subject.ImagePath, static manifest => manifest with { OneShot = false });

        CracImage image = CracImage.Open(subject.ImagePath);
        Assert.True(image.IsOneShot);
        Assert.Equal(ImageManifest.FileName, Expect.Failure(CracReason.ImageCorrupt, () => subject.Restore()).FileName);
        File.Delete(Path.Combine(subject.ImagePath, ImageManifest.FileName));
        Assert.True(CracImage.Open(subject.ImagePath).IsOneShot);
    }

    [CriuFact("python3")]
    public void An_image_that_could_have_had_helper_links_and_has_none_is_restored_again_and_again()
    {
        using Subject subject = Subject.Counting();
        CracImage image = subject.Checkpoint(new() { LinkRemap = true }).Image;

        Assert.False(image.IsOneShot);
        Assert.Empty(ManifestAgreement.FindContradictions(image));
        using CracRestoredProcess restored = subject.Restore();
    }

    [CriuFact("python3")]
    public void A_tree_that_changes_until_it_is_frozen_is_in_the_manifest_as_criu_has_it()
    {
        using Subject subject = Subject.Python("""
            import os, subprocess, threading, time
            subprocess.Popen(["sleep", "600"])
            print("ready", flush=True)
            while True:
                threading.Thread(target=time.sleep, args=(0.02,)).start()
                pid = os.fork()
                if pid == 0:
                    time.sleep(0.02)
                    os._exit(0)
                if os.getpid() % 2 == 0: os.waitpid(pid, 0)
                time.sleep(0.001)
            """, "ready");
        for (int round = 0; round < 5; round++)
        {
            CracImage image = subject.Checkpoint(new() { LeaveRunning = true }, force: true).Image;

            Assert.Empty(ManifestAgreement.FindContradictions(image));
            Assert.Equal(image.Processes.Count, image.Manifest!.Process.ProcessCount);
            Assert.True(image.ProcessCount > 1);
        }
    }

    [CriuFact("python3")]
    public void A_socket_of_the_image_is_not_renamed_to_another_folder()
    {
        using var other = new TemporaryFolder();
        using Subject subject = Subject.Python("import os, signal, socket\ns = socket.socket(socket.AF_UNIX)\ns.bind(os.getcwd() + '/new')\nos.rename('new', 'now')\nprint('ready', flush=True)\nsignal.pause()", "ready");
        ImageManifest made = subject.Checkpoint().Image.Manifest!;
        (string bound, string path) = Assert.Single(made.Process.RenamedSockets);
        EditManifest(subject.ImagePath, manifest => manifest with { Process = manifest.Process with { RenamedSockets = new Dictionary<string, string> { [bound] = other.At("now") } } });

        Assert.Contains(other.At("now"), Expect.Failure(CracReason.ImageCorrupt, () => subject.Restore()).Message);

        Assert.Empty(other.Names());
        EditManifest(subject.ImagePath, _ => made);
        using CracRestoredProcess restored = subject.Restore();
        Assert.True(File.Exists(path));
    }

    [CriuFact("python3")]
    public void No_helper_link_is_removed_that_criu_did_not_make()
    {
        using Subject subject = Subject.Python(Unlinking, "ready");
        subject.Checkpoint();
        string precious = subject.Folder.At("link_remap.1");
        File.WriteAllText(precious, "precious");
        Assert.True(PSCrac.Procfs.FileStatus.TryRead(precious, 0, out PSCrac.Procfs.FileStatus status, out _));
        EditManifest(subject.ImagePath, manifest => manifest with { OutsideFiles = [.. manifest.OutsideFiles, new(precious, status.Inode, status.UserId)] });

        Assert.Contains(precious, Expect.Failure(CracReason.ImageCorrupt, () => subject.Restore()).Message);
        Assert.DoesNotContain(ImageRemoval.ReadHelperLinks(subject.ImagePath), link => link.Path == precious);
        Assert.NotEmpty(ImageRemoval.ReadHelperLinks(subject.ImagePath));
        ImageRemoval.Remove(CracImage.Open(subject.ImagePath), force: false);

        Assert.Equal("precious", File.ReadAllText(precious));
        Assert.DoesNotContain(Directory.GetFiles(subject.Program.Folder), static file => Path.GetFileName(file).StartsWith("link_remap.", StringComparison.Ordinal));
    }

    [CriuFact("python3")]
    public void A_restore_without_a_manifest_says_that_nothing_was_compared()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        using (CracRestoredProcess whole = subject.Restore())
        {
            Assert.DoesNotContain(whole.Warnings, static warning => warning.Contains(ImageManifest.FileName, StringComparison.Ordinal));
        }

        subject.Checkpoint(force: true);
        File.Delete(Path.Combine(subject.ImagePath, ImageManifest.FileName));
        Assert.Equal(CracFindingSeverity.Warning, Assert.Single(Find(subject.ImagePath), static finding => finding.What.Contains(ImageManifest.FileName, StringComparison.Ordinal)).Severity);
        using CracRestoredProcess restored = Restore.Run(new RestoreRequest { Image = CracImage.Open(subject.ImagePath), SkipPreflight = true });
        subject.Program.Remember();

        Assert.Contains(ImageManifest.FileName, Assert.Single(restored.Warnings), StringComparison.Ordinal);
    }

    [CriuFact("python3")]
    public void What_has_no_hash_is_a_note()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();

        CracFinding note = Assert.Single(Find(subject.ImagePath), static finding => finding.What.Contains("hash", StringComparison.Ordinal));

        Assert.Equal((CracFindingSeverity.Note, CracReason.ImageCorrupt), (note.Severity, note.Reason));
        Assert.Contains("pages-1.img", note.What);

        // With a hash of each file there is nothing to say.
        EditManifest(subject.ImagePath, static manifest => manifest with { Files = [.. manifest.Files.Select(static file => file with { Sha256 = file.Sha256 ?? new string('0', 64) })] });
        Assert.DoesNotContain(Find(subject.ImagePath), static finding => finding.What.Contains("hash", StringComparison.Ordinal));
    }

    private static IReadOnlyList<CracFinding> Find(string path) => RestorePreflight.Examine(new RestoreRequest { Image = CracImage.Open(path) }).Findings;

    private static void EditManifest(string image, Func<ImageManifest, ImageManifest> edit)
    {
        ImageManifest manifest = edit(ImageManifest.Read(image)!);
        using FileStream file = File.Create(Path.Combine(image, ImageManifest.FileName));
        manifest.Write(file);
    }
}
