using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Archives.Signatures;

/// <summary>The file that says whose signatures count (ssh-keygen(1), ALLOWED SIGNERS).</summary>
internal sealed class AllowedSigners
{
    /// <summary>The environment variable that names the file.</summary>
    internal const string Variable = "PSCRAC_ALLOWED_SIGNERS";

    /// <summary>The file where none is named.</summary>
    internal const string SystemPath = "/etc/pscrac/allowed_signers";

    private const int MaximumSize = 1 << 20;

    private AllowedSigners(string path, IReadOnlyList<AllowedSigner> signers) => (Path, Signers) = (path, signers);

    /// <summary>Its full path.</summary>
    internal string Path { get; }

    /// <summary>Its lines.</summary>
    internal IReadOnlyList<AllowedSigner> Signers { get; }

    /// <summary>Finds and reads the file. Who may write it decides what is restored, so it must be root's or the caller's alone.</summary>
    /// <param name="path">Its path; null for the one of <see cref="Variable"/> or, without that, <see cref="SystemPath"/>.</param>
    /// <exception cref="CracException">
    /// There is none (<see cref="CracReason.FileMissing"/>), or someone else may write it (<see cref="CracReason.FileNotTrusted"/>).
    /// </exception>
    internal static AllowedSigners Read(string? path)
    {
        string? named = Environment.GetEnvironmentVariable(Variable);
        path = System.IO.Path.GetFullPath(path ?? (string.IsNullOrEmpty(named) ? SystemPath : named));
        using FolderHandle? folder = FolderHandle.TryOpen(System.IO.Path.GetDirectoryName(path) ?? "/", out Errno errno);
        SafeFileHandle? file = folder?.OpenToRead(System.IO.Path.GetFileName(path), out errno);
        if (file is null || errno != 0)
        {
            file?.Dispose();
            throw Missing(path, errno);
        }

        using (file)
        {
            return FileTrust.FindForAnyUser(path) is not { } access ? new AllowedSigners(path, ReadLines(path, file)) : throw new CracException(
                CracReason.FileNotTrusted,
                $"The allowed-signers file {path} was not used, since someone else could allow any key: {access.Why}.",
                $"Check that nobody has, then: {access.Command}; or name another file with -AllowedSigners.");
        }
    }

    private static List<AllowedSigner> ReadLines(string path, SafeFileHandle file)
    {
        byte[] content = SmallFile.Read(file, MaximumSize) ?? throw new CracException(
            CracReason.SignerNotAllowed, $"The allowed-signers file {path} has more than {MaximumSize >> 20} MiB.", "Name the right file with -AllowedSigners.");
        var signers = new List<AllowedSigner>();
        foreach (string line in Encoding.UTF8.GetString(content).Split('\n'))
        {
            if (AllowedSigner.TryParse(line, out AllowedSigner? signer))
            {
                signers.Add(signer);
            }
        }

        return signers;
    }

    private static CracException Missing(string path, Errno errno) => new(
        errno == Errno.EACCES ? CracReason.PermissionDenied : CracReason.FileMissing,
        $"The allowed-signers file {path}, which says whose signatures count, could not be read: {LibC.Message(errno)}.",
        $"Make it, a line for each signer: 'alice@example.com namespaces=\"{SshKeygen.Namespace}\" ssh-ed25519 AAAA…' (ssh-keygen(1), ALLOWED SIGNERS); name another file with -AllowedSigners or $env:{Variable}.");
}
