using PSCrac.Archives;
using PSCrac.Images.Manifest;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives.Signatures;

/// <summary>No criu is started for what is not signed as a restore requires, in a folder or in an archive.</summary>
[Collection(AloneCollection.Name)]
public class RefusedRestoreTests
{
    private const string Keygen = "ssh-keygen";

    public static TheoryData<string> Refused => [.. SignatureCheckTests.RefusedCases.Keys];

    public static TheoryData<string> Damaged => [.. SignedImportTests.DamagedCases.Keys];

    [CriuTheory(Keygen)]
    [MemberData(nameof(Refused))]
    public void Is_refused_in_a_folder_and_in_an_archive(string what)
    {
        using SigningScene scene = SigningScene.CreateSigned();
        SignatureCheckTests.RefusedCases[what].Change(scene);

        // What was changed in the manifest may also be what makes it JSON.
        CracReason[] reasons = [SignatureCheckTests.RefusedCases[what].Reason, .. what == "a changed manifest" ? [CracReason.ImageCorrupt] : Array.Empty<CracReason>()];
        foreach (string path in (string[])[scene.Image.Path, SignedImportTests.Pack(scene, "app.tar", [])])
        {
            AssertRefused(scene, path, reasons);
        }
    }

    [CriuTheory(Keygen)]
    [MemberData(nameof(Damaged))]
    public void An_archive_that_is_not_as_it_was_signed_is_refused(string what)
    {
        using SigningScene scene = SigningScene.CreateSigned();
        SignedImportTests.DamagedCases[what].Change(scene);
        AssertRefused(scene, SignedImportTests.Pack(scene, "app.tar", []), SignedImportTests.DamagedCases[what].Reasons);
    }

    [CriuFact(Keygen)]
    public void An_archive_with_a_flipped_byte_in_any_file_is_refused()
    {
        using SigningScene scene = SigningScene.CreateSigned();
        foreach (ImageManifestFile file in scene.Image.Manifest!.Files.Where(static file => file.Size > 0))
        {
            scene.Flip(file.Name);
            AssertRefused(scene, SignedImportTests.Pack(scene, "app.tar", []), CracReason.ImageCorrupt);
            scene.Flip(file.Name);
        }
    }

    [CriuFact(Keygen)]
    public void What_is_signed_as_required_starts_criu()
    {
        using SigningScene scene = SigningScene.CreateSigned();
        using var criu = new MarkingCriu(scene);
        using CracRestoredProcess restored = Restore.Run(Request(scene, SignedImportTests.Pack(scene, "app.tar", [])));
        scene.Subject.AssertCountsPast(scene.Subject.Count + 3);
        Assert.True(criu.HasStarted);
    }

    private static void AssertRefused(SigningScene scene, string path, params CracReason[] reasons)
    {
        using var criu = new MarkingCriu(scene);
        CracException refused = Assert.Throws<CracException>(() => Restore.Run(Request(scene, path)));
        Assert.True(reasons.Contains(refused.Reason), $"{refused.Reason}: {refused.Message}");
        Assert.False(criu.HasStarted);
        if (Directory.Exists(TemporaryImage.Path))
        {
            Assert.Empty(Directory.GetFileSystemEntries(TemporaryImage.Path));
        }
    }

    private static RestoreRequest Request(SigningScene scene, string path) => new()
    {
        Image = CracImage.Open(path), RequireSignature = true, AllowedSigners = scene.AllowedSigners,
    };

    /// <summary>The machine's criu, which leaves a mark when it is started as a worker.</summary>
    private sealed class MarkingCriu(SigningScene scene) : ChangedCriu($"*' swrk '*) echo started >> '{scene.At("started")}' ;;")
    {
        internal bool HasStarted => File.Exists(scene.At("started"));
    }
}
