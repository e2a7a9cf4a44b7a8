using System.Text.RegularExpressions;
using PSCrac.Images.Manifest;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives.Signatures;

/// <summary>Which signatures count.</summary>
public class SignatureCheckTests
{
    private const string Keygen = "ssh-keygen";

    internal static readonly Dictionary<string, (CracReason Reason, string Message, Action<SigningScene> Change)> RefusedCases = new()
    {
        ["no signature"] = (CracReason.SignatureMissing, "has no signature", static scene => File.Delete(scene.InImage(ImageManifest.SignatureFileName))),
        ["no manifest"] = (CracReason.SignatureInvalid, "has a signature but no pscrac.json", static scene => File.Delete(scene.InImage(ImageManifest.FileName))),
        ["a changed manifest"] = (CracReason.SignatureInvalid, "was changed after it was signed", static scene => scene.Flip(ImageManifest.FileName)),
        ["the manifest of another image"] = (CracReason.SignatureInvalid, "was changed after it was signed", static scene =>
        {
            using SigningScene other = SigningScene.CreateSigned();
            File.Copy(other.InImage(ImageManifest.FileName), scene.InImage(ImageManifest.FileName), overwrite: true);
        }),
        ["the signature of an earlier manifest"] = (CracReason.SignatureInvalid, "was changed after it was signed", static scene =>
        {
            byte[] old = File.ReadAllBytes(scene.InImage(ImageManifest.SignatureFileName));
            string manifest = scene.InImage(ImageManifest.FileName);
            File.WriteAllText(manifest, Regex.Replace(File.ReadAllText(manifest), "(\"created\": *\")[0-9]{4}", "${1}2001"));
            scene.Sign();
            File.WriteAllBytes(scene.InImage(ImageManifest.SignatureFileName), old);
        }),
        ["a changed signature"] = (CracReason.SignatureInvalid, "was changed after it was signed", static scene =>
        {
            // In the last line of the armor's content, which is of the signature itself.
            string[] lines = File.ReadAllLines(scene.InImage(ImageManifest.SignatureFileName));
            lines[^2] = (lines[^2][0] == 'A' ? 'B' : 'A') + lines[^2][1..];
            File.WriteAllText(scene.InImage(ImageManifest.SignatureFileName), string.Join('\n', lines) + "\n");
        }),
        ["text that is no signature"] = (CracReason.SignatureInvalid, "is not an SSH signature", static scene => File.WriteAllText(scene.InImage(ImageManifest.SignatureFileName), "signed\n")),
        ["text behind the signature"] = (CracReason.SignatureInvalid, "5 bytes behind the signature", static scene => File.AppendAllText(scene.InImage(ImageManifest.SignatureFileName), "more")),
        ["a huge signature"] = (CracReason.SignatureInvalid, "more than any valid one", static scene => File.WriteAllBytes(scene.InImage(ImageManifest.SignatureFileName), new byte[1 << 20])),
        ["a manifest that lacks hashes"] = (CracReason.SignatureInvalid, "no hash of pages-1.img", static scene =>
        {
            using SigningScene unsigned = SigningScene.Create();
            File.Copy(unsigned.InImage(ImageManifest.FileName), scene.InImage(ImageManifest.FileName), overwrite: true);
            File.Delete(scene.InImage(ImageManifest.SignatureFileName));
            SigningScene.Keygen("-Y", "sign", "-n", "pscrac", "-f", scene.At("key"), scene.InImage(ImageManifest.FileName));
        }),
        ["a signature for another purpose"] = (CracReason.SignerNotAllowed, "does not allow for this", static scene =>
        {
            File.Delete(scene.InImage(ImageManifest.SignatureFileName));
            scene.Allow($"{SigningScene.Signer} namespaces=\"git\" {scene.PublicKey("key")}");
            SigningScene.Keygen("-Y", "sign", "-n", "git", "-f", scene.At("key"), scene.InImage(ImageManifest.FileName));
        }),
        ["an unknown signer"] = (CracReason.SignerNotAllowed, "does not list", static scene =>
        {
            scene.MakeKey("other");
            scene.Sign("other");
        }),
        ["the key under the line of another namespace"] = (CracReason.SignerNotAllowed, "not permitted for use in signature namespace", static scene =>
            scene.Allow($"{SigningScene.Signer} namespaces=\"git,file\" {scene.PublicKey("key")}")),
        ["an expired key"] = (CracReason.SignerNotAllowed, "expired", static scene =>
            scene.Allow($"{SigningScene.Signer} valid-before=\"20200101\" {scene.PublicKey("key")}")),
        ["a key that is not valid yet"] = (CracReason.SignerNotAllowed, "not yet valid", static scene =>
            scene.Allow($"{SigningScene.Signer} valid-after=\"20990101\" {scene.PublicKey("key")}")),
        ["no allowed signers"] = (CracReason.SignerNotAllowed, "does not list", static scene => scene.Allow("# nobody", "")),
        ["no allowed-signers file"] = (CracReason.FileMissing, "could not be read", static scene => File.Delete(scene.AllowedSigners)),
        ["an allowed-signers file that others may write"] = (CracReason.FileNotTrusted, "everyone may write to", static scene =>
            File.SetUnixFileMode(scene.AllowedSigners, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite)),
        ["an allowed-signers file in a folder that others may write"] = (CracReason.FileNotTrusted, "everyone may write to", static scene =>
            File.SetUnixFileMode(Path.GetDirectoryName(scene.AllowedSigners)!, (UnixFileMode)0x1FF)),
    };

    public static TheoryData<string> Refused => [.. RefusedCases.Keys];

    [CriuTheory(Keygen)]
    [MemberData(nameof(Refused))]
    public void Is_refused(string what)
    {
        using SigningScene scene = SigningScene.CreateSigned();
        Assert.Equal(SigningScene.Signer, scene.Verify().Name);

        RefusedCases[what].Change(scene);

        CracException failure = Expect.Failure(RefusedCases[what].Reason, () => scene.Verify());
        Assert.Contains(RefusedCases[what].Message, failure.Message);
        Assert.False(string.IsNullOrEmpty(failure.RecommendedAction));
    }

    [CriuTheory(Keygen)]
    [InlineData("a plain line", "alice@example.com KEY")]
    [InlineData("several names", "!bob@example.com,alice@example.com,carol@example.com KEY")]
    [InlineData("a wildcard", "*@example.com namespaces=\"git,pscrac\" KEY")]
    [InlineData("a name in quotation marks", "\"alice@example.com\" KEY")]
    [InlineData("a key with a comment of several words", "alice@example.com KEY of Alice")]
    [InlineData("a time that is not over", "alice@example.com valid-after=\"20200101\",valid-before=\"20990101\" KEY")]
    [InlineData("the second line of the key", "alice@example.com namespaces=\"git\" KEY\nalice@example.com namespaces=\"pscrac\" KEY")]
    [InlineData("the second line, the first expired", "old@example.com valid-before=\"20200101\" KEY\n# new\n\nalice@example.com\tKEY")]
    public void Is_accepted(string what, string lines)
    {
        Assert.NotEmpty(what);
        using SigningScene scene = SigningScene.CreateSigned();
        scene.Allow(lines.Replace("KEY", string.Join(' ', scene.PublicKey("key").Split(' ')[..2]), StringComparison.Ordinal).Split('\n'));

        Assert.Matches("^(alice|\\*)@example.com$", scene.Verify().Name);
        Assert.StartsWith("ssh-ed25519 SHA256:", scene.Verify().Key);
    }

    [CriuFact(Keygen)]
    public void A_key_that_an_authority_certified_is_accepted()
    {
        using SigningScene scene = SigningScene.Create();
        scene.MakeKey("authority");
        SigningScene.Keygen("-q", "-s", scene.At("authority"), "-I", "a certificate", "-n", "alice@example.com", scene.At("key.pub"));
        scene.Allow($"*@example.com cert-authority,namespaces=\"pscrac\" {scene.PublicKey("authority")}");
        scene.Sign();
        File.Delete(scene.InImage(ImageManifest.SignatureFileName));
        File.Copy(scene.At("key"), scene.At("certified"));
        File.Copy(scene.At("key-cert.pub"), scene.At("certified.pub"));
        scene.Sign("certified");

        Assert.Equal("alice@example.com", scene.Verify().Name);
        scene.Allow($"bob@example.com cert-authority {scene.PublicKey("authority")}");
        Expect.Failure(CracReason.SignerNotAllowed, () => scene.Verify());
    }
}
