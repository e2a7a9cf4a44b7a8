using PSCrac.Criu;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>A neighbour who may write to the folder of the logs exchanges a work directory for a link.</summary>
public sealed class WorkDirectorySwapTests : IDisposable
{
    private const int Rounds = 40;
    private readonly string? _before = Environment.GetEnvironmentVariable(CriuWorkDirectory.LogRootVariable);
    private readonly TemporaryFolder _folder = new();

    public WorkDirectorySwapTests() => Environment.SetEnvironmentVariable(CriuWorkDirectory.LogRootVariable, _folder.FullPath);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Only_its_own_files_are_removed(bool isKept)
    {
        var victim = new Victim(_folder, "criu.conf", "criu.log", "stats-dump");
        for (int round = 0; round < Rounds; round++)
        {
            using CriuWorkDirectory work = CriuWorkDirectory.Create("test", "tcp-close\n");
            File.WriteAllText(work.LogPath, "Error (criu/x.c:1): mine");
            using (new Swapper(_folder.FullPath, Path.GetFileName(work.DirectoryPath), Victim.Link))
            {
                Assert.Equal("tcp-close\n", File.ReadAllText(work.ConfigPath!));
                Assert.Equal(["Error (criu/x.c:1): mine"], work.ReadErrors());
                if (isKept)
                {
                    work.Keep();
                    Assert.Equal(["criu.log"], work.Folder.ReadNames());
                }
                else
                {
                    work.Dispose();
                }
            }

            if (!Path.Exists(_folder.At(Victim.Link)))
            {
                Directory.Move(work.DirectoryPath, _folder.At(Victim.Link));
            }
        }

        victim.AssertUnharmed();
    }

    [Fact]
    public void Only_the_oldest_logs_are_removed_and_what_else_is_in_their_folder_stays()
    {
        const int Kept = 20;
        var victim = new Victim(_folder, "criu.log");
        string[] old = [.. Enumerable.Range(0, Kept + 5).Select(static number => $"20250101-0000{number:00}-000-checkpoint-1-abcd")];
        using (CriuWorkDirectory work = CriuWorkDirectory.Create("test", null))
        {
            // Later than the work directory, which makes room for itself when it is created, too.
            foreach (string name in (string[])[.. old, "apt", "20250101"])
            {
                Directory.CreateDirectory(_folder.At(name));
                File.WriteAllText(_folder.At($"{name}/criu.log"), "old");
            }

            File.WriteAllText(work.LogPath, "log");
            using (new Swapper(_folder.FullPath, old[0], Victim.Link))
            {
                work.Keep();
            }
        }

        victim.AssertUnharmed();
        string[] left = [.. _folder.Names().Except([Victim.Link, "victim", old[0]])];
        Assert.Equal(["20250101", .. old[6..], "apt"], left.Where(static name => !name.Contains("-test-", StringComparison.Ordinal)));
    }

    [RootFact]
    public void An_old_log_of_someone_else_stays()
    {
        string[] old = [.. Enumerable.Range(0, 25).Select(static number => $"20250101-0000{number:00}-000-checkpoint-1-abcd")];
        foreach (string name in old)
        {
            Directory.CreateDirectory(_folder.At(name));
        }

        Ownership.Give(_folder.At(old[0]), Ownership.Stranger);
        File.WriteAllText(_folder.At($"{old[0]}/his"), "his");
        using (CriuWorkDirectory work = CriuWorkDirectory.Create("test", null))
        {
            File.WriteAllText(work.LogPath, "log");
            work.Keep();
        }

        Assert.Equal("his", File.ReadAllText(_folder.At($"{old[0]}/his")));
        Assert.False(Path.Exists(_folder.At(old[1])));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Environment.SetEnvironmentVariable(CriuWorkDirectory.LogRootVariable, _before);
        _folder.Dispose();
    }
}
