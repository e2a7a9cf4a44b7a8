using System.Text;
using PSCrac.Interop;

namespace PSCrac.Archives;

/// <summary>The public keys that an archive is encrypted to.</summary>
internal sealed class AgeRecipients
{
    private const int MaximumFileSize = 1 << 20;
    private const string Forms = "a key that begins with age1, ssh-ed25519 or ssh-rsa, or the path of a file with such keys, a line each";

    private AgeRecipients(List<string> keys) => Keys = keys;

    /// <summary>The keys, each as age takes it.</summary>
    internal IReadOnlyList<string> Keys { get; }

    /// <summary>Reads recipients.</summary>
    /// <param name="recipients">Keys, and paths of files with keys.</param>
    /// <param name="resolve">The full path for a path as the user gave it.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: age cannot encrypt to one; <see cref="CracReason.FileMissing"/>: there is no such file.</exception>
    internal static AgeRecipients Read(IEnumerable<string> recipients, Func<string, string> resolve)
    {
        var keys = new List<string>();
        foreach (string recipient in recipients)
        {
            string trimmed = recipient.Trim();
            if (TakeKey(trimmed, "-Recipient"))
            {
                keys.Add(trimmed);
            }
            else
            {
                ReadFile(resolve(recipient), keys);
            }
        }

        return new AgeRecipients(keys);
    }

    private static void ReadFile(string path, List<string> keys)
    {
        int before = keys.Count;
        foreach (string each in ReadText(path).Split('\n'))
        {
            string line = each.Trim();
            if (line.Length > 0 && line[0] != '#')
            {
                keys.Add(TakeKey(line, path) ? line : throw Refused($"{path} has a line that is no public key.", $"Give {Forms}."));
            }
        }

        if (keys.Count == before)
        {
            throw Refused($"{path} has no public key in it.", $"Give {Forms}.");
        }
    }

    // Whether a text is a key. What age refuses is refused here, with the reason, and no secret is repeated or passed on.
    private static bool TakeKey(string text, string where)
    {
        if (text.StartsWith("AGE-SECRET-KEY-", StringComparison.OrdinalIgnoreCase) || text.StartsWith("-----BEGIN", StringComparison.Ordinal))
        {
            throw Refused($"{where} has a secret key, and an archive is encrypted to public keys.", "Give the public key: age-keygen -y FILE prints that of an age identity, ssh-keygen -y -f FILE that of an SSH key.");
        }

        if (text.StartsWith("ecdsa-", StringComparison.Ordinal) || text.StartsWith("sk-", StringComparison.Ordinal) || text.StartsWith("ssh-dss", StringComparison.Ordinal))
        {
            throw Refused(
                $"{where} has a key of type {text.Split(' ')[0]}, to which age cannot encrypt.",
                "Give an ssh-ed25519 or ssh-rsa key, or one of age-keygen.");
        }

        return text.StartsWith("age1", StringComparison.Ordinal) && text.All(char.IsAsciiLetterOrDigit)
            || text.StartsWith("ssh-ed25519 ", StringComparison.Ordinal) || text.StartsWith("ssh-rsa ", StringComparison.Ordinal);
    }

    private static string ReadText(string path)
    {
        using FileStream? file = ArchiveFile.TryOpen(path, out Errno errno) is { } handle ? new FileStream(handle, FileAccess.Read) : null;
        if (file is null)
        {
            throw new CracException(
                errno == Errno.EACCES ? CracReason.PermissionDenied : CracReason.FileMissing,
                $"-Recipient {path} is neither a public key nor a file that can be read: {LibC.Message(errno)}.",
                $"Give {Forms}.");
        }

        if (file.Length > MaximumFileSize)
        {
            throw Refused($"{path} is too large to be a file of recipients.", $"Give {Forms}.");
        }

        using var reader = new StreamReader(file, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    private static CracException Refused(string message, string recommendedAction) => new(CracReason.OptionRefused, message, recommendedAction);
}
