using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Environment variables and arguments that hold this host's name or addresses, or a secret: the restored process still has them.
/// Values of secrets are never shown.
/// </summary>
internal sealed class StaleTextRule : PreflightRule
{
    private const int MinimumHostNameLength = 4;

    private static readonly string[] s_secretWords = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY", "CREDENTIAL"];

    internal override void Examine(PreflightSubject subject)
    {
        string host = System.Environment.MachineName;
        IReadOnlyList<string> addresses = LocalAddresses.Read(subject.Tree.Root.ProcessId);
        // A child inherits its parent's environment; each variable is reported once.
        var reported = new HashSet<string>(StringComparer.Ordinal);
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (string variable in member.Environment)
            {
                if (!reported.Add(variable))
                {
                    continue;
                }

                int equals = variable.IndexOf('=', StringComparison.Ordinal);
                if (equals > 0)
                {
                    Examine(subject, member.ProcessId, $"environment variable {variable[..equals]}", variable[..equals], variable[(equals + 1)..], host, addresses);
                }
            }

            for (int i = 1; i < member.CommandLine.Arguments.Count; i++)
            {
                string argument = member.CommandLine.Arguments[i];
                int equals = argument.IndexOf('=', StringComparison.Ordinal);
                (string name, string value) = argument.StartsWith('-') && equals > 0
                    ? (argument[..equals], argument[(equals + 1)..])
                    : (member.CommandLine.Arguments[i - 1].StartsWith('-') ? member.CommandLine.Arguments[i - 1] : "", argument);
                Examine(subject, member.ProcessId, $"argument {i}{(name.Length > 0 ? $" ({name})" : "")}", name, value, host, addresses);
            }
        }
    }

    private static void Examine(
        PreflightSubject subject, int processId, string where, string name, string value, string host, IReadOnlyList<string> addresses)
    {
        if (value.Length > 0 && IsSecret(name))
        {
            subject.Warn(
                processId,
                $"{where}: a secret, by its name",
                CracReason.ImageNotTrusted,
                "It is part of the image, readable by everyone who can read the image, and the restored process still uses it after it was changed.",
                "Let the program read secrets from a file after the restore, and keep the image private.",
                new("secrets, by their names", where)
                {
                    Key = processId,
                    Why = "They are part of the image, readable by everyone who can read the image, and the restored process still uses them after they were changed.",
                });
        }
        else if (host.Length >= MinimumHostNameLength && ContainsWord(value, host))
        {
            subject.Warn(
                processId,
                $"{where}: this host's name, {host}",
                CracReason.AddressUnavailable,
                "Restored on another host, the process still uses this name.",
                "Let the program read the host name after the restore.",
                new($"places with this host's name, {host}", where) { Key = processId });
        }
        else
        {
            foreach (string address in addresses)
            {
                if (ContainsWord(value, address))
                {
                    subject.Warn(
                        processId,
                        $"{where}: this host's address, {address}",
                        CracReason.AddressUnavailable,
                        "Restored on another host, or here after the address has changed, the process uses the old address.",
                        "Use a name instead of an address, or let the program read it after the restore.",
                        new("places with an address of this host", where, address) { Key = processId });
                    break;
                }
            }
        }
    }

    private static bool IsSecret(string name)
    {
        string plain = name.Replace('-', '_');
        foreach (string word in s_secretWords)
        {
            if (plain.Contains(word, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a text contains a word that is not part of a longer one.</summary>
    private static bool ContainsWord(string text, string word)
    {
        for (int at = text.IndexOf(word, StringComparison.OrdinalIgnoreCase); at >= 0; at = text.IndexOf(word, at + 1, StringComparison.OrdinalIgnoreCase))
        {
            bool isStart = at == 0 || !char.IsAsciiLetterOrDigit(text[at - 1]);
            int end = at + word.Length;
            if (isStart && (end == text.Length || !char.IsAsciiLetterOrDigit(text[end])))
            {
                return true;
            }
        }

        return false;
    }
}
