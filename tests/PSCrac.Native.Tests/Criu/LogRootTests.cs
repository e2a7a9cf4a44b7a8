using PSCrac.Checkpointing;
using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>Where criu's logs go when a program watches that place, with all that appears there.</summary>
public sealed class LogRootTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _watched;
    private readonly string? _before = Environment.GetEnvironmentVariable(CriuWorkDirectory.LogRootVariable);

    public LogRootTests() => _watched = Directory.CreateDirectory(_folder.At("watched")).FullName;

    // No other test runs meanwhile (OneAtATime).
    private static string Root
    {
        get => Environment.GetEnvironmentVariable(CriuWorkDirectory.LogRootVariable)!;
        set => Environment.SetEnvironmentVariable(CriuWorkDirectory.LogRootVariable, value);
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(CriuWorkDirectory.LogRootVariable, _before);
        _folder.Dispose();
    }

    [CriuTheory]
    [InlineData("watched")]
    [InlineData("watched/logs")]
    [InlineData("watched/new/logs")]
    public void A_program_that_watches_where_criu_logs_is_restored(string root)
    {
        Root = _folder.At(root);
        Directory.CreateDirectory(_folder.At("watched/logs"));
        using Subject subject = Subject.Watching(_watched);

        CheckpointResult result = subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();

        AssertNotices(subject);
        Assert.True(File.Exists(Path.Combine(result.Image.Path, "dump.log")));
        Assert.Equal(0, subject.CountLines("criu.log"));
    }

    [CriuFact("python3")]
    public void The_log_of_a_checkpoint_that_failed_is_kept_in_the_log_root()
    {
        Root = _folder.At("watched/logs");
        using Subject subject = Subject.Watching(_watched, "big = bytearray(b'\\x5a') * (20 << 20)");
        using var disk = new SmallDisk(4);

        CracException failure = Expect.Failure(CracReason.NoSpace, () => Checkpoint.Run(
            new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = disk.At("image") }));

        string kept = Assert.Single(Directory.GetDirectories(Root));
        Assert.Contains($"-checkpoint-{subject.ProcessId}-", kept);
        Assert.Equal(Path.Combine(kept, CriuWorkDirectory.LogName), failure.LogPath);
        Assert.NotEmpty(LogFile.ReadErrors(failure.LogPath!));
        AssertNotices(subject);
    }

    [CriuFact("python3")]
    public void A_private_directory_is_made_elsewhere_and_goes_when_all_went_well()
    {
        Root = _folder.At("watched/logs");
        using Subject subject = Subject.Watching(_watched);
        string path;
        using (CriuWorkDirectory work = CriuWorkDirectory.Create("test", "tcp-close\n", WatchedBy(subject)))
        {
            path = work.DirectoryPath;
            Assert.False(path.StartsWith(_watched, StringComparison.Ordinal), path);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));
            Assert.True(File.Exists(work.ConfigPath));
            File.WriteAllText(work.LogPath, "log");
        }

        Assert.False(Directory.Exists(path));
        Assert.False(Directory.Exists(Root));
    }

    [CriuFact("python3")]
    public void A_directory_elsewhere_without_a_log_is_not_kept()
    {
        Root = _watched;
        using Subject subject = Subject.Watching(_watched);
        using CriuWorkDirectory work = CriuWorkDirectory.Create("test", null, WatchedBy(subject));

        Assert.Null(work.Keep());
        work.Dispose();

        Assert.False(Directory.Exists(work.DirectoryPath));
        Assert.Empty(Directory.GetFileSystemEntries(_watched));
    }

    [CriuFact("python3")]
    public void A_log_stays_where_it_is_when_its_folder_cannot_be_made()
    {
        Root = _folder.At("watched/logs");
        using Subject subject = Subject.Watching(_watched);
        string? kept;
        using (CriuWorkDirectory work = CriuWorkDirectory.Create("test", null, WatchedBy(subject)))
        {
            File.WriteAllText(work.LogPath, "log");
            File.WriteAllText(Root, "in the way");
            kept = work.Keep();
            Assert.Equal(work.LogPath, kept);
        }

        Assert.Equal("log", File.ReadAllText(kept!));
        Directory.Delete(Path.GetDirectoryName(kept)!, recursive: true);
    }

    [CriuFact("python3")]
    public void Where_all_other_places_are_watched_it_is_made_in_the_log_root()
    {
        Root = _watched;
        string temporary = Path.GetTempPath();
        string others = string.Join(", ", ((string[])["/run", "/dev/shm"]).Select(static each => $"b'{each}'"));
        const string Watch = "import ctypes\nl = ctypes.CDLL(None)\ni = l.inotify_init1(0)\nfor f in {0}: l.inotify_add_watch(i, f, 0x400)\n";
        using Subject but = Subject.Watching(_watched, string.Format(null, Watch, $"[{others}]"));
        using Subject all = Subject.Watching(_watched, string.Format(null, Watch, $"[{others}, b'{temporary}']"));

        using CriuWorkDirectory last = CriuWorkDirectory.Create("test", null, WatchedBy(but));
        using CriuWorkDirectory root = CriuWorkDirectory.Create("test", null, WatchedBy(all));

        Assert.Equal(Path.TrimEndingDirectorySeparator(temporary), Path.GetDirectoryName(last.DirectoryPath));
        Assert.Equal(_watched, Path.GetDirectoryName(root.DirectoryPath));
    }

    private void AssertNotices(Subject subject)
    {
        File.WriteAllText(Path.Combine(_watched, "noticed"), "");
        Wait.Until(() => subject.CountLines("noticed") == 1, () => $"it noticed {subject.LastLine()}; {subject.Program.ReadErrors()}");
    }

    private static WatchedFolders WatchedBy(Subject subject) => WatchedFolders.Of(ProcessTreeSnapshot.Read(subject.ProcessId));
}
