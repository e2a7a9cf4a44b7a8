using System.Formats.Tar;
using PSCrac.Archives;
using PSCrac.Images.Manifest;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives.Signatures;

/// <summary>Signed images that come as a folder of someone else's, as a tar file and encrypted: what an import makes of them.</summary>
public class SignedImportTests
{
    private const string Keygen = "ssh-keygen";
    private const string Age = "age";

    internal static readonly Dictionary<string, (CracReason[] Reasons, Action<SigningScene> Change)> DamagedCases = new()
    {
        ["another image's pages"] = ([CracReason.ImageCorrupt, CracReason.ImageIncomplete], static scene =>
        {
            using SigningScene other = SigningScene.CreateSigned();
            File.Copy(other.InImage("pages-1.img"), scene.InImage("pages-1.img"), overwrite: true);
        }),
        ["a file added"] = ([CracReason.ImageCorrupt], static scene => File.Copy(scene.InImage("pages-1.img"), scene.InImage("pages-77.img"))),
        ["a file missing"] = ([CracReason.ImageIncomplete], static scene => File.Delete(scene.InImage("files.img"))),
        ["a file longer"] = ([CracReason.ImageIncomplete], static scene => File.AppendAllText(scene.InImage("pages-1.img"), "more")),
    };

    public static TheoryData<string> Refused => [.. SignatureCheckTests.RefusedCases.Keys];

    public static TheoryData<string> Damaged => [.. DamagedCases.Keys];

    [CriuTheory(Keygen, Age)]
    [MemberData(nameof(Refused))]
    public void What_is_not_signed_as_required_is_refused(string what)
    {
        using SigningScene scene = SigningScene.CreateSigned();
        (CracReason reason, string message, Action<SigningScene> change) = SignatureCheckTests.RefusedCases[what];
        change(scene);

        foreach (ImportRequest request in Carried(scene))
        {
            CracException failure = RefusedBy(scene, request with { RequireSignature = true, AllowedSigners = scene.AllowedSigners }, reason);
            Assert.Contains(message, failure.Message, StringComparison.Ordinal);
            Assert.True(new[] { request.SourcePath, scene.AllowedSigners }.Any(path => failure.Message.Contains(path, StringComparison.Ordinal)), failure.Message);
        }
    }

    [CriuTheory(Keygen, Age)]
    [MemberData(nameof(Refused))]
    public void Without_the_requirement_a_broken_signature_is_refused_and_an_unknown_signer_is_told(string what)
    {
        using SigningScene scene = SigningScene.CreateSigned();
        (CracReason reason, string message, Action<SigningScene> change) = SignatureCheckTests.RefusedCases[what];
        change(scene);
        ImportRequest request = Carried(scene).First() with { AllowedSigners = scene.AllowedSigners };
        if (reason is CracReason.SignatureMissing)
        {
            ImportResult unsigned = ImageImport.Run(request);
            Assert.Empty(unsigned.Warnings);
            Assert.Null(unsigned.SignatureNote);
        }
        else if (reason is CracReason.SignerNotAllowed && what != "a signature for another purpose")
        {
            ImportResult result = ImageImport.Run(request);
            Assert.Contains(message, Assert.Single(result.Warnings), StringComparison.Ordinal);
            Assert.Null(result.SignatureNote);
        }
        else
        {
            // One for another purpose is none for this.
            RefusedBy(scene, request, reason is CracReason.SignerNotAllowed ? CracReason.SignatureInvalid : reason);
        }
    }

    [CriuTheory(Keygen, Age)]
    [MemberData(nameof(Damaged))]
    public void What_is_not_as_it_was_signed_is_refused(string what)
    {
        using SigningScene scene = SigningScene.CreateSigned();
        DamagedCases[what].Change(scene);

        foreach (ImportRequest request in Carried(scene))
        {
            RefusedBy(scene, request with { RequireSignature = true, AllowedSigners = scene.AllowedSigners }, DamagedCases[what].Reasons);
        }
    }

    [CriuFact(Keygen, Age)]
    public void A_flipped_byte_of_any_file_is_refused()
    {
        using SigningScene scene = SigningScene.CreateSigned();
        foreach (ImageManifestFile file in scene.Image.Manifest!.Files.Where(static file => file.Size > 0))
        {
            scene.Flip(file.Name);
            foreach (ImportRequest request in Carried(scene))
            {
                CracException failure = RefusedBy(scene, request with { RequireSignature = true, AllowedSigners = scene.AllowedSigners }, CracReason.ImageCorrupt);
                Assert.Equal(file.Name, failure.FileName);
            }

            scene.Flip(file.Name);
        }
    }

    [CriuFact(Keygen, Age)]
    public void A_cut_or_flipped_age_file_is_refused()
    {
        using SigningScene scene = SigningScene.CreateSigned();
        ImportRequest request = Carried(scene).Last() with { RequireSignature = true, AllowedSigners = scene.AllowedSigners };
        byte[] whole = File.ReadAllBytes(request.SourcePath);
        foreach (int offset in (int[])[whole.Length / 3, whole.Length - 1])
        {
            File.WriteAllBytes(request.SourcePath, whole[..offset]);
            RefusedBy(scene, request, CracReason.DecryptionFailed);
            byte[] flipped = [.. whole];
            flipped[offset] ^= 1;
            File.WriteAllBytes(request.SourcePath, flipped);
            RefusedBy(scene, request, CracReason.DecryptionFailed);
        }
    }

    [CriuFact(Keygen, Age)]
    public void What_an_allowed_signer_signed_is_imported_from_each_and_the_signer_is_named()
    {
        using SigningScene scene = SigningScene.CreateSigned();
        File.WriteAllText(scene.InImage("notes.txt"), "of the folder");
        scene.Sign();
        foreach (ImportRequest request in Carried(scene, "notes.txt"))
        {
            ImportResult result = ImageImport.Run(request with { RequireSignature = true, AllowedSigners = scene.AllowedSigners, Force = true });
            Assert.Contains(SigningScene.Signer, result.SignatureNote, StringComparison.Ordinal);
            Assert.Equal(request.SourcePath == scene.Image.Path, result.Warnings.Any(static warning => warning.Contains("notes.txt", StringComparison.Ordinal)));
            Assert.False(File.Exists(Path.Combine(result.Image.Path, "notes.txt")));
            Assert.Equal(scene.Image.ClaimedSigner, result.Image.ClaimedSigner);
            Assert.StartsWith("ssh-ed25519 SHA256:", result.Image.ClaimedSigner, StringComparison.Ordinal);
        }
    }

    [CriuFact(Keygen)]
    public void A_certified_key_that_nobody_knows_is_told_and_its_broken_signature_refused()
    {
        using SigningScene scene = SigningScene.Create();
        scene.MakeKey("authority");
        SigningScene.Keygen("-q", "-s", scene.At("authority"), "-I", "id", "-n", "alice", scene.At("key.pub"));
        File.Move(scene.At("key-cert.pub"), scene.At("key.pub"), overwrite: true);
        scene.Sign("key.pub");
        Assert.Contains("cert-v01", scene.Image.ClaimedSigner, StringComparison.Ordinal);
        var request = new ImportRequest { SourcePath = scene.Image.Path, ImagePath = scene.At("imported"), AllowedSigners = scene.AllowedSigners };
        Assert.Single(ImageImport.Run(request).Warnings);
        Directory.Delete(scene.At("imported"), recursive: true);

        scene.Flip(ImageManifest.FileName);

        RefusedBy(scene, request, CracReason.SignatureInvalid);
    }

    [CriuFact(Keygen)]
    public void An_image_of_someone_elses_is_not_restored_where_it_is_but_imported()
    {
        using SigningScene scene = SigningScene.CreateSigned();
        Ownership.Give(scene.InImage("pages-1.img"), Ownership.Stranger);
        RestoreRequest request = Restored(scene, scene.Image.Path);
        foreach (bool requires in (bool[])[true, false])
        {
            CracException refused = Expect.Failure(CracReason.ImageNotTrusted, () => Restore.Run(request with { RequireSignature = requires }));
            Assert.Contains($"Import-CracImage -LiteralPath '{scene.Image.Path}' -ImageName 'image' -RequireSignature", refused.RecommendedAction, StringComparison.Ordinal);
        }

        CracImage imported = ImageImport.Run(new ImportRequest { SourcePath = scene.Image.Path, ImagePath = scene.At("imported"), RequireSignature = true, AllowedSigners = scene.AllowedSigners }).Image;

        using CracRestoredProcess restored = Restore.Run(Restored(scene, imported.Path));
        scene.Subject.AssertCountsPast(scene.Subject.Count + 3);

        File.Delete(scene.InImage(ImageManifest.SignatureFileName));
        CracException unsigned = Expect.Failure(CracReason.ImageNotTrusted, () => Restore.Run(request with { RequireSignature = false }));
        Assert.DoesNotContain("Import-CracImage", unsigned.RecommendedAction, StringComparison.Ordinal);
    }

    [CriuFact(Keygen, "zstd")]
    public void A_restore_from_an_archive_verifies_its_signature()
    {
        using SigningScene scene = SigningScene.CreateSigned();
        string archive = scene.At("app.tar.zst");
        ImageExport.Run(new ExportRequest { Image = scene.Image, DestinationPath = archive });
        Ownership.Give(archive, Ownership.Stranger);
        CracException untrusted = Expect.Failure(CracReason.ImageNotTrusted, () => Restore.Run(Restored(scene, archive) with { RequireSignature = false }));
        Assert.Contains("-RequireSignature", untrusted.RecommendedAction, StringComparison.Ordinal);

        Assert.Contains(Findings(Restored(scene, archive) with { RequireSignature = false }), static finding => finding.Reason == CracReason.ImageNotTrusted);
        Assert.DoesNotContain(Findings(Restored(scene, archive)), static finding => finding.Severity == CracFindingSeverity.Blocker);

        string allowed = File.ReadAllText(scene.AllowedSigners);
        scene.Allow("# nobody");
        Expect.Failure(CracReason.SignerNotAllowed, () => Restore.Run(Restored(scene, archive)));
        scene.Allow(allowed);
        scene.Flip("pages-1.img");
        string flipped = Pack(scene, "flipped.tar", []);
        Expect.Failure(CracReason.ImageCorrupt, () => Restore.Run(Restored(scene, flipped)));
        scene.Flip("pages-1.img");
        scene.Flip(ImageManifest.SignatureFileName, at: 200);
        Expect.Failure(CracReason.SignatureInvalid, () => Restore.Run(Restored(scene, Pack(scene, "unsigned.tar", [])) with { RequireSignature = false }));

        using CracRestoredProcess restored = Restore.Run(Restored(scene, archive));
        scene.Subject.AssertCountsPast(scene.Subject.Count + 3);
    }

    private static IReadOnlyList<CracFinding> Findings(RestoreRequest request) => RestorePreflight.Examine(request).Findings;

    private static RestoreRequest Restored(SigningScene scene, string path) => new()
    {
        Image = CracImage.Open(path), RequireSignature = true, AllowedSigners = scene.AllowedSigners, CriuPath = CriuProgram.Path,
    };

    private static CracException RefusedBy(SigningScene scene, ImportRequest request, params CracReason[] reasons)
    {
        CracException failure = Assert.Throws<CracException>(() => ImageImport.Run(request));
        Assert.True(reasons.Contains(failure.Reason), $"{failure.Reason}: {failure.Message}");
        Assert.False(string.IsNullOrEmpty(failure.RecommendedAction));
        Assert.DoesNotContain(Directory.GetFileSystemEntries(Path.GetDirectoryName(scene.AllowedSigners)!), static path => Path.GetFileName(path) is "imported" or ['.', ..]);
        return failure;
    }

    // The same image as a folder, a tar file and an encrypted one.
    private static IEnumerable<ImportRequest> Carried(SigningScene scene, params string[] without)
    {
        var request = new ImportRequest { SourcePath = scene.Image.Path, ImagePath = scene.At("imported") };
        yield return request;
        yield return request with { SourcePath = Pack(scene, "app.tar", without) };
        if (!File.Exists(scene.At("identity")))
        {
            Run("age-keygen", "-o", scene.At("identity"));
            Run("age-keygen", "-y", "-o", scene.At("recipient"), scene.At("identity"));
        }

        Run(Age, "-R", scene.At("recipient"), "-o", scene.At("app.tar.age"), scene.At("app.tar"));
        yield return request with { SourcePath = scene.At("app.tar.age"), Identities = [scene.At("identity")] };
    }

    // Of damaged images too, which Export-CracImage refuses.
    internal static string Pack(SigningScene scene, string name, string[] without)
    {
        using FileStream file = File.Create(scene.At(name));
        using var writer = new System.Formats.Tar.TarWriter(file, TarEntryFormat.Ustar);
        foreach (string path in Directory.GetFiles(scene.Image.Path).Where(path => !without.Contains(Path.GetFileName(path))))
        {
            writer.WriteEntry(path, "checkpoint/" + Path.GetFileName(path));
        }

        return file.Name;
    }

    private static void Run(string program, params string[] arguments)
    {
        (int code, string error) = CriuProgram.RunProgram(program, arguments);
        Assert.True(code == 0, error);
    }
}
