using System.Diagnostics;
using PSCrac.Archives;
using PSCrac.Archives.Signatures;
using PSCrac.Images.Storage;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives.Signatures;

/// <summary>A small image of a running program, an SSH key, and an allowed-signers file that allows it.</summary>
internal sealed class SigningScene : IDisposable
{
    internal const string Signer = "release@example.com";
    private readonly TemporaryFolder _folder = new();

    private SigningScene(Subject subject)
    {
        Subject = subject;
        try
        {
            Image = subject.Checkpoint().Image;
            MakeKey("key");
            Allow($"{Signer} namespaces=\"pscrac\" {PublicKey("key")}");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal Subject Subject { get; }

    internal CracImage Image { get; private set; }

    internal string AllowedSigners => At("allowed");

    internal static SigningScene Create() => new(Subject.Counting());

    internal static SigningScene CreateSigned()
    {
        SigningScene scene = Create();
        scene.Sign();
        return scene;
    }

    internal string At(string name) => _folder.At(name);

    internal string InImage(string name) => Path.Combine(Image.Path, name);

    internal void Sign(string key = "key") => Image = ImageSigning.Sign(Image, At(key));

    internal VerifiedSigner Verify() => SignatureCheck.Verify(new DirectoryImageSource(Image.Path), AllowedSigners, CancellationToken.None);

    internal void Allow(params string[] lines) => File.WriteAllLines(AllowedSigners, lines);

    internal void MakeKey(string name, string passphrase = "") => Keygen("-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", At(name));

    internal string PublicKey(string name) => File.ReadAllText(At(name + ".pub")).Trim();

    /// <summary>Runs ssh-keygen, which must succeed.</summary>
    internal static void Keygen(params string[] arguments)
    {
        using Process program = Process.Start(new ProcessStartInfo("ssh-keygen", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string said = program.StandardError.ReadToEnd();
        program.WaitForExit();
        Assert.True(program.ExitCode == 0, said);
    }

    /// <summary>Changes a byte in the middle of a file, or at another place.</summary>
    internal void Flip(string name, int? at = null)
    {
        byte[] content = File.ReadAllBytes(InImage(name));
        content[at ?? (content.Length / 2)] ^= 1;
        File.WriteAllBytes(InImage(name), content);
    }

    public void Dispose()
    {
        Subject.Dispose();
        _folder.Dispose();
    }
}
