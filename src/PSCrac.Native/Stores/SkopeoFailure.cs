using System.Text.RegularExpressions;

namespace PSCrac.Stores;

/// <summary>Reads skopeo's messages as reasons. A row that stands first wins: messages quote the answers of registries.</summary>
internal static partial class SkopeoFailure
{
    // Each with a test on a real registry.
    private static readonly (string Pattern, CracReason Reason, string What, string Action)[] s_rows =
    [
        ("no space left on device", CracReason.NoSpace, "no space is left on the disk of this machine or of the registry", "Free some space."),
        ("server gave HTTP response to HTTPS client", CracReason.RegistryNotTrusted, "the registry has no TLS", "Use a registry with TLS, or give -SkipTlsCheck if you trust the network between."),
        ("x509: |tls: |certificate ", CracReason.RegistryNotTrusted, "the registry's certificate is not trusted", "Give -CertificateDirectory a folder with its authority's certificate (*.crt), or have the administrator add it to the system's; -SkipTlsCheck accepts any."),
        ("invalid username/password|unauthorized|authentication required|denied: |403 \\(?Forbidden|authentication is required", CracReason.PermissionDenied, "the registry refuses access", "Log in with skopeo login or podman login, or name a file of credentials with -AuthFile."),
        ("manifest unknown|was deleted or has expired", CracReason.NotAnImage, "the repository has no image with this tag", "Get-CracImage with the name of the repository lists its images."),
        ("name unknown|repository name not known|404 \\(?Not Found", CracReason.NotAnImage, "the registry has no such repository", "Check the name; an export makes a repository."),
        ("UNSUPPORTED\"|Method Not Allowed|status(?: ?code)?:? 405|operation is unsupported", CracReason.ResourceUnsupported, "the registry does not delete images", "Have its administrator switch deletion on: for the registry of the CNCF, REGISTRY_STORAGE_DELETE_ENABLED=true or storage: delete: enabled: true."),
        ("connection refused|no such host|no route to host|network is unreachable|i/o timeout|connection reset|unexpected EOF|: EOF|deadline exceeded|broken pipe|server misbehaving|server closed idle connection|transport connection broken|Bad Gateway|Service Unavailable|Gateway Time-?out|status(?: ?code)?:? 50[234]", CracReason.RegistryUnavailable, "the registry cannot be reached, or does not answer", "Check the name and the network, and that the registry runs; then do it again: what was transferred is not transferred again."),
        ("error loading trust policy|open /etc/containers/policy.json", CracReason.FileMissing, "skopeo has no policy", "Install the package golang-github-containers-common (on Fedora: containers-common), which has /etc/containers/policy.json."),
        ("(error reading|reading) .*auth|credentials", CracReason.FileMissing, "the file of credentials cannot be read", "Check what -AuthFile names; skopeo login --authfile FILE makes such a file."),
    ];

    /// <summary>The exception for a failure.</summary>
    /// <param name="name">The image or repository.</param>
    /// <param name="said">skopeo's standard error.</param>
    /// <param name="exitCode">Its exit code.</param>
    internal static CracException Explain(StoreName name, string said, int exitCode)
    {
        string message = MessageOf(said, exitCode);
        string told = NamePattern().Replace(message, "");
        foreach ((string pattern, CracReason reason, string what, string action) in s_rows)
        {
            if (Regex.IsMatch(told, pattern, RegexOptions.IgnoreCase | RegexOptions.CultureInvariant))
            {
                return new CracException(reason, $"{name} could not be reached as wanted: {what}. skopeo says: {message}", action) { ImagePath = name.ToString() };
            }
        }

        return new CracException(CracReason.Unknown, $"skopeo failed for {name}: {message}", "See what skopeo says; skopeo --debug tells more.") { ImagePath = name.ToString() };
    }

    // time="…" level=fatal msg="…"
    private static string MessageOf(string said, int exitCode)
    {
        string[] lines = said.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string line = Array.FindLast(lines, static each => each.Contains("level=fatal", StringComparison.Ordinal)) ?? lines.LastOrDefault() ?? $"exit code {exitCode}";
        Match match = MessagePattern().Match(line);
        string text = match.Success ? match.Groups[1].Value.Replace("\\\"", "\"", StringComparison.Ordinal) : line;
        return text.EndsWith('.') ? text : text + ".";
    }

    // Addresses, digests and references, in which any word or number may stand.
    [GeneratedRegex("[^\\s\"]*(?:://|:[0-9/])[^\\s\"]*|sha256:[0-9a-f]*", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();

    [GeneratedRegex("msg=\"((?:[^\"\\\\]|\\\\.)*)\"", RegexOptions.CultureInvariant)]
    private static partial Regex MessagePattern();
}
