using PSCrac.Images.Manifest;
using PSCrac.Starting.Fingerprints;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Fingerprints;

/// <summary>What counts as a change of a file.</summary>
public sealed class FileFingerprintTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string FilePath => _folder.At("file");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_that_nobody_touched_is_unchanged()
    {
        File.WriteAllText(FilePath, "one");
        Assert.Equal(FileChange.None, FileFingerprint.Compare(Take()));
    }

    [Fact]
    public void Another_time_alone_is_no_change_of_a_file_with_a_hash()
    {
        File.WriteAllText(FilePath, "one");
        ImageManifestStartFile taken = Take();
        File.SetLastWriteTimeUtc(FilePath, DateTime.UtcNow.AddDays(1));

        Assert.Equal(FileChange.None, FileFingerprint.Compare(taken));
    }

    [Fact]
    public void Other_content_of_the_same_size_and_time_is_a_change()
    {
        DateTime time = DateTime.UtcNow.AddHours(-1);
        File.WriteAllText(FilePath, "one");
        File.SetLastWriteTimeUtc(FilePath, time);
        ImageManifestStartFile taken = Take();
        File.WriteAllText(FilePath, "two");
        File.SetLastWriteTimeUtc(FilePath, time);

        Assert.Equal(FileChange.Changed, FileFingerprint.Compare(taken));
    }

    [Fact]
    public void Of_a_large_file_the_time_of_its_content_counts()
    {
        File.WriteAllBytes(FilePath, new byte[ImageManifest.MaximumHashedSize + 1]);
        ImageManifestStartFile taken = Take();
        Assert.Null(taken.Sha256);
        File.SetUnixFileMode(FilePath, UnixFileMode.UserRead);
        Assert.Equal(FileChange.None, FileFingerprint.Compare(taken));

        File.SetLastWriteTimeUtc(FilePath, DateTime.UtcNow.AddDays(1));
        Assert.Equal(FileChange.Changed, FileFingerprint.Compare(taken));
    }

    [Fact]
    public void The_largest_small_file_has_a_hash()
    {
        File.WriteAllBytes(FilePath, new byte[ImageManifest.MaximumHashedSize]);
        Assert.NotNull(Take().Sha256);
    }

    [Fact]
    public void A_file_can_go_and_can_come()
    {
        ImageManifestStartFile absent = Take();
        File.WriteAllText(FilePath, "one");
        ImageManifestStartFile present = Take();
        Assert.Equal(FileChange.Added, FileFingerprint.Compare(absent));

        File.Delete(FilePath);
        Assert.Equal(FileChange.None, FileFingerprint.Compare(absent));
        Assert.Equal(FileChange.Gone, FileFingerprint.Compare(present));

        Directory.CreateDirectory(FilePath);
        Assert.Equal(FileChange.Gone, FileFingerprint.Compare(present));
    }

    [Theory]
    [InlineData(nameof(ImageManifestStartRole.Script), nameof(FileChange.Moved))]
    [InlineData(nameof(ImageManifestStartRole.Argument), nameof(FileChange.None))]
    public void A_link_to_the_same_content_elsewhere_is_a_change_of_what_finds_its_modules_there(string role, string expected)
    {
        foreach (string release in (string[])["1", "2"])
        {
            Directory.CreateDirectory(_folder.At(release));
            File.WriteAllText(_folder.At($"{release}/app.js"), "same");
        }

        Directory.CreateSymbolicLink(_folder.At("current"), _folder.At("1"));
        ImageManifestStartFile taken = FileFingerprint.AddHash(FileFingerprint.Read(_folder.At("current/app.js"), Enum.Parse<ImageManifestStartRole>(role)));
        Directory.Delete(_folder.At("current"));
        Directory.CreateSymbolicLink(_folder.At("current"), _folder.At("2"));

        Assert.Equal(Enum.Parse<FileChange>(expected), FileFingerprint.Compare(taken));
    }

    private ImageManifestStartFile Take() => FileFingerprint.AddHash(FileFingerprint.Read(FilePath, ImageManifestStartRole.Argument));
}
