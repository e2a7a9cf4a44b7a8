using System.Diagnostics;
using PSCrac.Archives;
using PSCrac.Images.Manifest;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives.Signatures;

/// <summary>What is signed, and what a restore makes of it.</summary>
public class ImageSigningTests
{
    private const string Keygen = "ssh-keygen";

    [CriuFact(Keygen)]
    public void Every_file_that_a_restore_reads_has_a_hash_and_the_image_is_private()
    {
        using SigningScene scene = SigningScene.Create();
        Assert.Contains(scene.Image.Manifest!.Files, static file => file.Sha256 is null);

        scene.Sign();

        Assert.All(scene.Image.Manifest!.Files, static file => Assert.NotNull(file.Sha256));
        Assert.DoesNotContain(scene.Image.Manifest.Files, static file => file.Name == ImageManifest.SignatureFileName);
        foreach (string name in new[] { ImageManifest.FileName, ImageManifest.SignatureFileName })
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(scene.InImage(name)));
        }

        Assert.DoesNotContain(Directory.GetFiles(scene.Image.Path), static path => Path.GetFileName(path)[0] == '.');
        using CracRestoredProcess restored = Restore.Run(Request(scene));
        scene.Subject.AssertCountsPast(scene.Subject.Count + 3);
    }

    [CriuFact(Keygen)]
    public void A_signed_image_is_signed_anew_by_another()
    {
        using SigningScene scene = SigningScene.CreateSigned();
        scene.MakeKey("other");
        scene.Allow($"other@example.com {scene.PublicKey("other")}");

        scene.Sign("other");

        Assert.Equal("other@example.com", scene.Verify().Name);
    }

    [CriuFact(Keygen)]
    public void A_flipped_byte_of_any_file_is_refused()
    {
        using SigningScene scene = SigningScene.CreateSigned();
        foreach (ImageManifestFile file in scene.Image.Manifest!.Files.Where(static file => file.Size > 0))
        {
            scene.Flip(file.Name);
            ImagePreflight preflight = RestorePreflight.Examine(Request(scene), full: true);
            Assert.Contains(preflight.Findings, finding => finding.Severity == CracFindingSeverity.Blocker && finding.What.Contains(file.Name, StringComparison.Ordinal));
            scene.Flip(file.Name);
        }

        Assert.DoesNotContain(RestorePreflight.Examine(Request(scene), full: true).Findings, static finding => finding.Reason == CracReason.ImageCorrupt);
    }

    [CriuTheory(Keygen)]
    [InlineData("unsigned", CracReason.SignatureMissing)]
    [InlineData("changed", CracReason.SignatureInvalid)]
    [InlineData("unknown", CracReason.SignerNotAllowed)]
    public void A_restore_that_requires_a_signature_starts_no_criu_without_one(string what, CracReason reason)
    {
        using SigningScene scene = SigningScene.CreateSigned();
        switch (what)
        {
            case "unsigned":
                File.Delete(scene.InImage(ImageManifest.SignatureFileName));
                break;
            case "changed":
                string manifest = File.ReadAllText(scene.InImage(ImageManifest.FileName));
                File.WriteAllText(scene.InImage(ImageManifest.FileName), manifest.Replace("\"engine\"", "\"engine\" ", StringComparison.Ordinal));
                break;
            default:
                scene.Allow("# nobody");
                break;
        }

        Expect.Failure(reason, () => Restore.Run(Request(scene)));
        CracFinding finding = Assert.Single(RestorePreflight.Examine(Request(scene)).Findings, static finding => finding.What == "signature");
        Assert.Equal((CracFindingSeverity.Blocker, reason), (finding.Severity, finding.Reason));
    }

    [CriuFact(Keygen)]
    public void The_signer_is_named_and_verified_only_where_it_is_required()
    {
        using SigningScene scene = SigningScene.CreateSigned();

        CracFinding verified = Assert.Single(RestorePreflight.Examine(Request(scene)).Findings, static finding => finding.What == "signature");
        Assert.Contains(SigningScene.Signer, verified.Why);
        CracFinding claimed = Assert.Single(
            RestorePreflight.Examine(Request(scene) with { RequireSignature = false, AllowedSigners = null }).Findings, static finding => finding.What == "signature");
        Assert.Contains("claims to be signed with the key ssh-ed25519 SHA256:", claimed.Why);
        Assert.Equal(CracFindingSeverity.Note, claimed.Severity);
    }

    [CriuFact(Keygen)]
    public void A_damaged_image_is_not_signed()
    {
        using SigningScene scene = SigningScene.Create();
        scene.Flip("pstree.img");

        CracException failure = Assert.Throws<CracException>(() => scene.Sign());

        Assert.Equal("pstree.img", failure.FileName);
        Assert.False(File.Exists(scene.InImage(ImageManifest.SignatureFileName)));
    }

    [CriuFact(Keygen)]
    public void What_others_could_have_written_is_not_signed()
    {
        using SigningScene scene = SigningScene.Create();
        File.SetUnixFileMode(scene.InImage("pstree.img"), (UnixFileMode)0x1B6);

        CracException failure = Expect.Failure(CracReason.ImageNotTrusted, () => scene.Sign());

        Assert.Contains("vouches for it", failure.Message);
    }

    [CriuFact(Keygen)]
    public void A_key_with_a_passphrase_is_never_asked_for_it_and_works_through_an_agent()
    {
        using SigningScene scene = SigningScene.Create();
        scene.MakeKey("locked", passphrase: "a secret");
        scene.Allow($"locked@example.com {scene.PublicKey("locked")}");

        CracException failure = Expect.Failure(CracReason.SignatureInvalid, () => scene.Sign("locked"));
        Assert.Contains("ssh-add", failure.RecommendedAction);
        Assert.False(File.Exists(scene.InImage(ImageManifest.SignatureFileName)));

        // The agent is given the key without its passphrase, and PSCrac the public key alone.
        File.Copy(scene.At("locked"), scene.At("open"));
        SigningScene.Keygen("-p", "-q", "-P", "a secret", "-N", "", "-f", scene.At("open"));
        using Process agent = Process.Start(new ProcessStartInfo("ssh-agent", ["-D", "-a", scene.At("agent")]) { RedirectStandardOutput = true })!;
        try
        {
            Wait.Until(() => File.Exists(scene.At("agent")), () => "no agent");
            Environment.SetEnvironmentVariable("SSH_AUTH_SOCK", scene.At("agent"));
            using (Process add = Process.Start(new ProcessStartInfo("ssh-add", ["-q", scene.At("open")]))!)
            {
                add.WaitForExit();
            }

            File.Delete(scene.At("locked"));
            scene.Sign("locked.pub");
        }
        finally
        {
            Environment.SetEnvironmentVariable("SSH_AUTH_SOCK", null);
            agent.Kill();
            agent.WaitForExit();
        }

        Assert.Equal("locked@example.com", scene.Verify().Name);
    }

    [CriuTheory(Keygen)]
    [InlineData("is not there", "nothing")]
    [InlineData("is no key", "allowed")]
    public void A_key_that_cannot_sign_leaves_the_image_as_it_was(string what, string key)
    {
        Assert.NotEmpty(what);
        using SigningScene scene = SigningScene.Create();
        string manifest = File.ReadAllText(scene.InImage(ImageManifest.FileName));

        Expect.Failure(CracReason.SignatureInvalid, () => scene.Sign(key));

        Assert.Equal(manifest, File.ReadAllText(scene.InImage(ImageManifest.FileName)));
        Assert.Equal(["image"], scene.Subject.Folder.Names());
    }

    [CriuFact(Keygen)]
    public void A_removed_image_leaves_no_signature()
    {
        using SigningScene scene = SigningScene.CreateSigned();

        Assert.Empty(PSCrac.Images.Operations.ImageRemoval.Remove(scene.Image, force: false));

        Assert.False(Directory.Exists(scene.Image.Path));
    }

    private static RestoreRequest Request(SigningScene scene) => new()
    {
        Image = CracImage.Open(scene.Image.Path), RequireSignature = true, AllowedSigners = scene.AllowedSigners, CriuPath = CriuProgram.Path,
    };
}
