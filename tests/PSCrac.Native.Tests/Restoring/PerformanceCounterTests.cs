using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>The files of HotSpot's performance counters, which later JVMs remove.</summary>
public class PerformanceCounterTests
{
    private const string Maps = """
        import mmap, os, sys, time
        os.makedirs(sys.argv[1], exist_ok=True)
        path = f"{sys.argv[1]}/{os.getpid()}"
        with open(path, "wb") as f:
            f.write(b"counters" * 4096)
        os.chmod(path, 0o600)
        f = open(path, "r+b")
        m = mmap.mmap(f.fileno(), 0)
        f.close()
        print("ready", flush=True)
        while not os.path.exists(sys.argv[1] + "/go"):
            time.sleep(0.02)
        m[0:1] = b"C"
        print("same", m[:8] == b"Counters" and open(path, "rb").read() == m[:], flush=True)
        time.sleep(600)
        """;

    [CriuTheory("python3")]
    [InlineData(false)]
    [InlineData(true)]
    public void A_file_that_was_removed_is_put_back_with_its_folder_if_that_is_gone_too(bool withFolder)
    {
        string folder = $"/tmp/hsperfdata_pscrac-test-{Environment.ProcessId}-{withFolder}";
        try
        {
            using Subject subject = Subject.Of(["python3", "-c", Maps, folder]);
            string file = $"{folder}/{subject.ProcessId}";
            subject.Checkpoint();
            Assert.Equal(file, Assert.Single(ImageManifest.Read(subject.ImagePath)!.KeptFiles).Path);
            File.Delete(file);
            if (withFolder)
            {
                Directory.Delete(folder);
            }

            Assert.True(RestorePreflight.Examine(new RestoreRequest { Image = CracImage.Open(subject.ImagePath) }).CanRestore);
            Assert.False(File.Exists(file));
            using CracRestoredProcess restored = subject.Restore();

            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            File.WriteAllText($"{folder}/go", "");
            subject.Program.WaitForLine("same True");
            Assert.Empty(ImageRemoval.Remove(CracImage.Open(subject.ImagePath), force: false));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [CriuFact("python3")]
    public void A_mode_that_the_file_did_not_have_is_damage_and_nothing_is_created()
    {
        // With the content that the image holds, set-user-ID would make it a program of root's.
        const int SetUserId = 0x9ed; // 04755
        string folder = $"/tmp/hsperfdata_pscrac-test-{Environment.ProcessId}-mode";
        try
        {
            using Subject subject = Subject.Of(["python3", "-c", Maps, folder]);
            subject.Checkpoint();
            ImageManifest manifest = ImageManifest.Read(subject.ImagePath)!;
            File.Delete($"{folder}/{subject.ProcessId}");
            using (FileStream file = File.Create(Path.Combine(subject.ImagePath, ImageManifest.FileName)))
            {
                (manifest with { KeptFiles = [Assert.Single(manifest.KeptFiles) with { Mode = SetUserId }] }).Write(file);
            }

            Assert.Contains("mode", Expect.Failure(CracReason.ImageCorrupt, () => subject.Restore()).Message);

            Assert.Empty(Directory.GetFiles(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [CriuFact("java", "python3")]
    public void A_JVM_comes_back_although_another_one_of_its_user_was_started_since()
    {
        using var sources = new TemporaryFolder();
        File.WriteAllText(sources.At("Sleep.java"), """
            class Sleep {
                public static void main(String[] arguments) throws Exception {
                    System.out.println("ready");
                    for (int n = 1; ; n++) { Thread.sleep(50); System.out.println(n); }
                }
            }
            """);
        using Subject subject = Subject.Of(["java", "-XX:TieredStopAtLevel=1", sources.At("Sleep.java")]);
        subject.Checkpoint();
        string file = Assert.Single(ImageManifest.Read(subject.ImagePath)!.KeptFiles).Path;

        Assert.Equal(0, CriuProgram.RunProgram("java", "-version").ExitCode);
        Assert.False(File.Exists(file));
        int count = subject.CountLinesThatStart("");
        using CracRestoredProcess restored = subject.Restore();

        Wait.Until(() => subject.CountLinesThatStart("") > count + 2, () => "the JVM does not go on");
        Assert.True(File.Exists(file));
    }
}
