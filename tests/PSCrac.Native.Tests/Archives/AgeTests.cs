using PSCrac.Archives;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives;

[Collection(AloneCollection.Name)]
public class AgeTests
{
    [ProgramFact("age", "tar", "zstd")]
    public void Age_decrypts_what_was_exported()
    {
        using var image = new SealedImage();
        string recipient = MakeIdentity(image, "key.txt");
        Export(image, recipient);
        Assert.StartsWith("age-encryption.org/v1", File.ReadAllText(image.At("app.tar.zst.age")), StringComparison.Ordinal);
        Run("age", "-d", "-i", image.At("key.txt"), "-o", image.At("plain"), image.At("app.tar.zst.age"));
        image.Exported("expected.tar.zst");
        Assert.Equal(File.ReadAllBytes(image.At("expected.tar.zst")), File.ReadAllBytes(image.At("plain")));
        ImageImport.Run(Import(image, "key.txt"));
        Assert.Equal(SealedImage.ContentOf(image.Path), SealedImage.ContentOf(image.At("imported")));
    }

    [ProgramTheory("age", "ssh-keygen")]
    [InlineData("ed25519")]
    [InlineData("rsa")]
    public void SSH_keys_encrypt_and_decrypt(string type)
    {
        using var image = new SealedImage();
        Run("ssh-keygen", "-q", "-t", type, "-N", "", "-C", "someone@here", "-f", image.At("id"));
        Export(image, image.At("id.pub"));
        ImageImport.Run(Import(image, "id"));
        Assert.Equal(SealedImage.ContentOf(image.Path), SealedImage.ContentOf(image.At("imported")));
        Directory.Delete(image.At("imported"), recursive: true);
        Export(image, File.ReadAllText(image.At("id.pub")), force: true);
        ImageImport.Run(Import(image, "id"));
        Assert.True(Directory.Exists(image.At("imported")));
    }

    [ProgramFact("age")]
    public void A_file_of_recipients_may_have_comments_and_each_of_them_decrypts()
    {
        using var image = new SealedImage();
        string[] recipients = [MakeIdentity(image, "one"), MakeIdentity(image, "two")];
        File.WriteAllText(image.At("recipients"), $"# these\n{recipients[0]}\n\n{recipients[1]}\n");
        Export(image, image.At("recipients"));
        foreach (string identity in (string[])["one", "two"])
        {
            ImageImport.Run(Import(image, identity));
            Directory.Delete(image.At("imported"), recursive: true);
        }
    }

    [ProgramTheory("ssh-keygen")]
    [InlineData("ecdsa")]
    public void Keys_that_age_cannot_use_are_refused_beforehand(string type)
    {
        using var image = new SealedImage();
        Run("ssh-keygen", "-q", "-t", type, "-N", "", "-f", image.At("id"));
        foreach (string recipient in (string[])[image.At("id.pub"), File.ReadAllText(image.At("id.pub"))])
        {
            CracException thrown = Assert.Throws<CracException>(() => AgeRecipients.Read([recipient], static path => path));
            Assert.Equal(CracReason.OptionRefused, thrown.Reason);
            Assert.Contains("ecdsa-sha2", thrown.Message, StringComparison.Ordinal);
            Assert.Contains("ssh-ed25519", thrown.RecommendedAction, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_secret_key_is_refused_and_not_repeated()
    {
        using var folder = new TemporaryFolder();
        const string Secret = "AGE-SECRET-KEY-1QQQQ";
        File.WriteAllText(folder.At("key.txt"), $"# created\n{Secret}\n");
        foreach (string recipient in (string[])[Secret, folder.At("key.txt")])
        {
            CracException thrown = Assert.Throws<CracException>(() => AgeRecipients.Read([recipient], static path => path));
            Assert.Equal(CracReason.OptionRefused, thrown.Reason);
            Assert.DoesNotContain("QQQQ", thrown.Message, StringComparison.Ordinal);
            Assert.Contains("age-keygen -y", thrown.RecommendedAction, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("empty", CracReason.OptionRefused)]
    [InlineData("text", CracReason.OptionRefused)]
    [InlineData("none", CracReason.FileMissing)]
    public void A_file_without_recipients_is_refused(string name, CracReason reason)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("empty"), "# nobody\n");
        File.WriteAllText(folder.At("text"), "hello\n");
        Assert.Equal(reason, Assert.Throws<CracException>(() => AgeRecipients.Read([folder.At(name)], static path => path)).Reason);
    }

    [ProgramFact("age")]
    public void A_malformed_recipient_leaves_nothing_and_is_told_in_ages_words()
    {
        using var image = new SealedImage();
        CracException thrown = Assert.Throws<CracException>(() => Export(image, "age1qqqq"));
        Assert.Equal(CracReason.SealFailed, thrown.Reason);
        Assert.Contains("malformed recipient", thrown.Message, StringComparison.Ordinal);
        Assert.Empty(image.NamesBeside());
    }

    [ProgramFact("age")]
    public void Without_its_identity_an_archive_is_not_imported()
    {
        using var image = new SealedImage();
        Export(image, MakeIdentity(image, "key.txt"));
        MakeIdentity(image, "other.txt");
        ImageImportTests.Refused(image, image.Import("app.tar.zst.age"), CracReason.DecryptionFailed, "-Identity", "app.tar.zst.age", "key.txt", "other.txt");
        ImageImportTests.Refused(image, Import(image, "other.txt"), CracReason.DecryptionFailed, "no identity matched", "app.tar.zst.age", "key.txt", "other.txt");
        ImageImportTests.Refused(image, Import(image, "none.txt"), CracReason.DecryptionFailed, "none.txt", "app.tar.zst.age", "key.txt", "other.txt");
    }

    [ProgramFact("age")]
    public void A_cut_or_flipped_archive_is_refused_wherever_it_is()
    {
        using var image = new SealedImage();
        Export(image, MakeIdentity(image, "key.txt"));
        byte[] whole = File.ReadAllBytes(image.At("app.tar.zst.age"));
        foreach (int offset in (int[])[50, 300, 100_000, whole.Length / 2, whole.Length - 70_000, whole.Length - 1])
        {
            File.WriteAllBytes(image.At("app.tar.zst.age"), whole[..offset]);
            ImageImportTests.Refused(image, Import(image, "key.txt"), CracReason.DecryptionFailed, "age", "app.tar.zst.age", "key.txt");
            byte[] flipped = [.. whole];
            flipped[offset] ^= 1;
            File.WriteAllBytes(image.At("app.tar.zst.age"), flipped);
            ImageImportTests.Refused(image, Import(image, "key.txt"), CracReason.DecryptionFailed, "age", "app.tar.zst.age", "key.txt");
        }
    }

    [ProgramTheory("age")]
    [InlineData(true)]
    [InlineData(false)]
    public void Nothing_is_kept_of_the_plaintext_that_age_gives_before_it_fails(bool isCut)
    {
        const int Before = 30 << 20;
        byte[] pages = new byte[Before + (4 << 20)];
        new Random(8).NextBytes(pages);
        using var image = new SealedImage(folder => folder.Write("pages-2.img", pages));
        Export(image, MakeIdentity(image, "key.txt"));
        using (FileStream file = File.Open(image.At("app.tar.zst.age"), FileMode.Open))
        {
            Assert.True(file.Length > pages.Length);
            file.Position = file.Length - (1 << 20);
            if (isCut)
            {
                file.SetLength(file.Position);
            }
            else
            {
                int there = file.ReadByte();
                file.Position--;
                file.WriteByte((byte)(there ^ 1));
            }
        }

        long unpacked = 0;
        var reports = new Reports(report => unpacked = report.Bytes);
        CracException thrown = Assert.Throws<CracException>(() => ImageImport.Run(Import(image, "key.txt"), reports));
        Assert.Equal(CracReason.DecryptionFailed, thrown.Reason);
        Assert.InRange(unpacked, Before, long.MaxValue);
        Assert.Equal(["app.tar.zst.age", "key.txt"], image.NamesBeside());
    }

    [ProgramFact("age", "zstd")]
    public void A_whole_archive_in_an_age_file_that_is_cut_behind_it_is_refused()
    {
        // All of the tar file comes out of age before it fails: only its exit code tells.
        using var image = new SealedImage();
        string recipient = MakeIdentity(image, "key.txt");
        byte[] tar = File.ReadAllBytes(image.Exported("app.tar", CracArchiveCompression.None));
        byte[] padded = new byte[((tar.Length / 65536) + 2) * 65536];
        tar.CopyTo(padded, 0);
        File.WriteAllBytes(image.At("app.tar"), padded);
        Run("age", "-r", recipient, "-o", image.At("app.tar.zst.age"), image.At("app.tar"));
        File.Delete(image.At("app.tar"));
        using (FileStream file = File.OpenWrite(image.At("app.tar.zst.age")))
        {
            file.SetLength(file.Length - 65536 - 16);
        }

        ImageImportTests.Refused(image, Import(image, "key.txt"), CracReason.DecryptionFailed, "age could not decrypt", "app.tar.zst.age", "key.txt");
    }

    [ProgramFact("age")]
    public void A_cancelled_export_and_import_leave_nothing_and_no_age()
    {
        using var image = new SealedImage();
        string recipient = MakeIdentity(image, "key.txt");
        using var cancelled = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => ImageExport.Run(
            image.Export("app.tar.zst.age") with { Recipients = AgeRecipients.Read([recipient], static path => path) }, new Reports(_ => cancelled.Cancel()), cancelled.Token));
        Export(image, recipient);
        using var again = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => ImageImport.Run(Import(image, "key.txt"), new Reports(_ => again.Cancel()), again.Token));
        Assert.Equal(["app.tar.zst.age", "key.txt"], image.NamesBeside());
    }

    [ProgramFact("age")]
    public void Without_age_the_package_is_named()
    {
        using var image = new SealedImage();
        Export(image, MakeIdentity(image, "key.txt"));
        using var without = new WithoutPrograms("age");
        CracException thrown = Assert.Throws<CracException>(() => Export(image, "age1qqqq", force: true));
        Assert.Equal((CracReason.ProgramMissing, "Install the package age."), (thrown.Reason, thrown.RecommendedAction));
        ImageImportTests.Refused(image, Import(image, "key.txt"), CracReason.ProgramMissing, "package age", "app.tar.zst.age", "key.txt");
    }

    [ProgramFact("age", "ssh-keygen")]
    public void An_identity_with_a_passphrase_is_not_asked_for_it()
    {
        using var image = new SealedImage();
        Export(image, MakeIdentity(image, "key.txt"));
        Run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", image.At("id"));
        Export(image, image.At("id.pub"), force: true);
        ImageImportTests.Refused(image, Import(image, "id"), CracReason.DecryptionFailed, "passphrase", "app.tar.zst.age", "id", "id.pub", "key.txt");
    }

    private static void Export(SealedImage image, string recipient, bool force = false) =>
        ImageExport.Run(image.Export("app.tar.zst.age") with { Recipients = AgeRecipients.Read([recipient], static path => path), Force = force });

    private static ImportRequest Import(SealedImage image, string identity) => image.Import("app.tar.zst.age") with { Identities = [image.At(identity)] };

    private static string MakeIdentity(SealedImage image, string name)
    {
        Run("age-keygen", "-o", image.At(name));
        return File.ReadLines(image.At(name)).First(static line => line.StartsWith("# public key: ", StringComparison.Ordinal))["# public key: ".Length..];
    }

    private static void Run(string program, params string[] arguments)
    {
        (int code, string error) = CriuProgram.RunProgram(program, arguments);
        Assert.True(code == 0, error);
    }
}
