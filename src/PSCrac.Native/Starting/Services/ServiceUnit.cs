using System.Globalization;
using System.Text;

namespace PSCrac.Starting.Services;

/// <summary>Writes the systemd unit of a service (systemd.service(5)).</summary>
internal static class ServiceUnit
{
    /// <summary>The first line of each unit that PSCrac has written for a service.</summary>
    private const string Mark = "# Written by Register-CracService for the service ";

    // What crac-start needs to find the same folders and the same criu as this process.
    private static readonly string[] s_variables = ["PSCRAC_STATE_ROOT", "PSCRAC_IMAGE_ROOT", "PSCRAC_LOG_ROOT", "CRAC_CRIU_PATH", "CRAC_LIBCRIU_PATH"];

    // A restore that does not get ready is followed by a start, a warm-up and a checkpoint.
    private static readonly TimeSpan s_checkpointTime = TimeSpan.FromMinutes(2);

    /// <summary>The file name of a service's unit.</summary>
    internal static string FileName(string service) => $"{service}.service";

    /// <summary>Whether a unit was written for a service by <see cref="Create"/>.</summary>
    internal static bool IsOf(string text, string service) => text.StartsWith($"{Mark}{service}\n", StringComparison.Ordinal);

    /// <summary>Creates the text of a unit.</summary>
    /// <param name="description">The service.</param>
    /// <param name="command">The command that is crac-start: a full path and its first arguments.</param>
    /// <param name="options">Settings of the section [Service], which are added, or replace those of the same name. Values are used as they are.</param>
    /// <param name="target">The target that starts it at boot, such as multi-user.target.</param>
    /// <remarks>
    /// ProtectSystem and NoNewPrivileges were tried with checkpoints and restores. Settings that systemd carries out with a seccomp filter
    /// (SystemCallFilter, RestrictNamespaces, LockPersonality and others) are left out: criu suspends the filters of what it dumps, which
    /// the kernel refuses to a process with a filter of its own (PTRACE_O_SUSPEND_SECCOMP in ptrace(2)). So is PrivateTmp: at
    /// the next start, the files in /tmp that an image has open are gone.
    /// </remarks>
    internal static string Create(ServiceDescription description, IReadOnlyList<string> command, IReadOnlyDictionary<string, string> options, string target)
    {
        List<(string Name, string Value)> settings =
        [
            ("Type", "notify"),
            ("NotifyAccess", "main"),
            ("ExecStart", CommandLine([.. command, description.Name])),
            .. s_variables.Select(static name => (name, Environment.GetEnvironmentVariable(name)))
                .Where(static pair => !string.IsNullOrEmpty(pair.Item2))
                .Select(static pair => ("Environment", Quote($"{pair.name}={pair.Item2}", escapesDollar: false))),
            ("TimeoutStartSec", Seconds((description.ReadyTimeout * 2) + s_checkpointTime)),

            // crac-start passes SIGTERM on to the program, and systemd kills what is left.
            ("KillMode", "mixed"),
            ("SuccessExitStatus", "143"),
            ("Restart", "on-failure"),
            ("RestartSec", "1"),
            ("ProtectSystem", "full"),
            ("NoNewPrivileges", "yes"),
        ];
        settings.RemoveAll(setting => options.ContainsKey(setting.Name));
        settings.AddRange(options.OrderBy(static option => option.Key, StringComparer.Ordinal).Select(static option => (option.Key, option.Value)));
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Mark}{description.Name}\n");
        text.Append(CultureInfo.InvariantCulture, $"[Unit]\nDescription={description.Name}, started by PSCrac from its newest image\nAfter=network-online.target\nWants=network-online.target\n\n[Service]\n");
        foreach ((string name, string value) in settings)
        {
            text.Append(CultureInfo.InvariantCulture, $"{name}={value}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"\n[Install]\nWantedBy={target}\n");
        return text.ToString();
    }

    /// <summary>A command as a line of a unit.</summary>
    /// <param name="words">The full path of the program, and its arguments.</param>
    internal static string CommandLine(IReadOnlyList<string> words)
    {
        // systemd refuses quotes and backslashes in the path of a program, and substitutes no variable there.
        bool isRefused = words[0].AsSpan().ContainsAny('"', '\'', '\\');
        string first = Quote(words[0], escapesDollar: isRefused);
        return string.Join(' ', [.. isRefused ? ["/usr/bin/env"] : (string[])[], first, .. words.Skip(1).Select(static word => Quote(word))]);
    }

    /// <summary>A word with the characters escaped that have a meaning in a unit: white space, quotes, backslashes, % and, in commands, $.</summary>
    internal static string Quote(string word, bool escapesDollar = true)
    {
        var quoted = new StringBuilder();
        bool isPlain = word.Length > 0;
        foreach (char c in word)
        {
            isPlain &= char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or '=' or ':' or ',' or '@' or '+' or '%' or '$';
            _ = c switch
            {
                '%' => quoted.Append("%%"),
                '$' when escapesDollar => quoted.Append("$$"),
                '"' or '\\' => quoted.Append('\\').Append(c),
                '\n' => quoted.Append("\\n"),
                '\t' => quoted.Append("\\t"),
                < ' ' or '\x7F' => quoted.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => quoted.Append(c),
            };
        }

        return isPlain ? quoted.ToString() : $"\"{quoted}\"";
    }

    private static string Seconds(TimeSpan time) => Math.Ceiling(time.TotalSeconds).ToString(CultureInfo.InvariantCulture);
}
