using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

/// <summary>The folders that are made are for their owner alone to write to, whatever the umask of the session is.</summary>
public class FolderModeTests
{
    [CriuTheory]
    [InlineData("000", 0x1ed)]
    [InlineData("002", 0x1ed)]
    [InlineData("022", 0x1ed)]
    [InlineData("077", 0x1c0)]
    [InlineData("777", 0x1c0)]
    public void A_checkpoints_folders_can_be_written_to_by_their_owner_and_nobody_else(string umask, int above)
    {
        using Subject subject = Subject.Counting();
        string image = subject.Folder.At("state/images/deep/image");
        string logs = subject.Folder.At("state/log/deep/logs");
        var environment = new Dictionary<string, string?> { [CriuWorkDirectory.LogRootVariable] = logs };

        (int code, string output, string error) = Helper.RunCommand(
            environment, ["sh", "-c", $"umask {umask}; exec \"$@\"", "sh", .. Helper.Command("checkpoint", $"{subject.ProcessId}", image)]);

        Assert.True(code == 0, output + error);
        foreach (string name in (string[])["state", "state/images", "state/images/deep", "state/log", "state/log/deep"])
        {
            Assert.Equal((name, (UnixFileMode)above), (name, File.GetUnixFileMode(subject.Folder.At(name))));
        }

        Assert.Equal((UnixFileMode)0x1c0, File.GetUnixFileMode(image));
        Assert.Equal((UnixFileMode)0x1c0, File.GetUnixFileMode(logs));
        Assert.All(Directory.GetFiles(image), static file => Assert.Equal((file, (UnixFileMode)0x180), (file, File.GetUnixFileMode(file))));
        Assert.True(RestorePreflight.Examine(new RestoreRequest { Image = CracImage.Open(image), PidTimeout = Wait.Limit }).CanRestore);
    }
}
