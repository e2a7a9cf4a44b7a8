using System.Text.RegularExpressions;

namespace PSCrac.Stores;

/// <summary>
/// The name of a store or of an image in one: oci:FOLDER[:TAG], oci:TAG, oci:, and oci://HOST[:PORT]/REPOSITORY[:TAG]. A folder has a
/// slash in it; without one, the layout below the state folder is meant.
/// </summary>
internal sealed partial record StoreName
{
    /// <summary>What all such names begin with.</summary>
    internal const string Prefix = "oci:";

    private const string Forms = "Names are oci:FOLDER:TAG with a slash in FOLDER, oci:TAG for the store below the state folder, and oci://HOST/REPOSITORY:TAG for a registry.";

    private StoreName()
    {
    }

    /// <summary>The folder of a layout, as it was given; null for the one below the state folder, or a registry.</summary>
    internal string? Folder { get; private init; }

    /// <summary>The host and, where given, the port of a registry; null for a layout.</summary>
    internal string? Host { get; private init; }

    /// <summary>The repository in the registry; null for a layout.</summary>
    internal string? Repository { get; private init; }

    /// <summary>The tag; null where the store itself is meant.</summary>
    internal string? Tag { get; private init; }

    /// <summary>Whether it is in a registry.</summary>
    [System.Diagnostics.CodeAnalysis.MemberNotNullWhen(true, nameof(Host), nameof(Repository))]
    internal bool IsRegistry => Host is not null;

    /// <summary>Whether a text is such a name, valid or not.</summary>
    internal static bool IsName(string text) => text.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads a name.</summary>
    /// <param name="text">A text for which <see cref="IsName"/> is true.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: it is not valid.</exception>
    internal static StoreName Parse(string text)
    {
        string rest = text[Prefix.Length..];
        if (rest.StartsWith("//", StringComparison.Ordinal))
        {
            return ParseRegistry(text, rest[2..]);
        }

        // skopeo(1) splits at the first colon too.
        int colon = rest.IndexOf(':', StringComparison.Ordinal);
        string before = colon < 0 ? rest : rest[..colon];
        string? tag = colon < 0 ? null : rest[(colon + 1)..];
        if (!before.Contains('/', StringComparison.Ordinal))
        {
            return before.Length == 0 && colon < 0 ? new StoreName()
                : colon < 0 ? new StoreName { Tag = RequireTag(text, before) }
                : throw Refused(text, "a folder has a slash in its name", $"For a folder here, give {Prefix}./{rest}.");
        }

        return tag?.Contains('/', StringComparison.Ordinal) == true
            ? throw Refused(text, "a store's folder must have no colon in its path, since the tag begins there", "Rename the folder, or make a symbolic link to it without a colon.")
            : new StoreName { Folder = before, Tag = tag is null ? null : RequireTag(text, tag) };
    }

    /// <summary>Whether a text can be a tag.</summary>
    internal static bool IsTag(string text) => TagPattern().IsMatch(text);

    /// <summary>The same store with another tag.</summary>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: it is no tag.</exception>
    internal StoreName WithTag(string tag) => this with { Tag = RequireTag($"{this}:{tag}", tag) };

    /// <summary>The store, without the tag.</summary>
    internal StoreName WithoutTag() => this with { Tag = null };

    /// <summary>The name with the full path of the folder.</summary>
    /// <param name="resolve">The full path for a path as it was given.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: that has a colon in it.</exception>
    internal StoreName WithFullPath(Func<string, string> resolve)
    {
        if (IsRegistry)
        {
            return this;
        }

        string folder = Folder is null ? DefaultFolder : System.IO.Path.TrimEndingDirectorySeparator(resolve(Folder));
        return folder.Contains(':', StringComparison.Ordinal)
            ? throw Refused(ToString(), $"the path of its folder, {folder}, has a colon in it, and skopeo takes what follows for the tag", "Give a folder without a colon in its path.")
            : this with { Folder = folder };
    }

    /// <summary>The folder of the layout for names without one.</summary>
    internal static string DefaultFolder => System.IO.Path.Combine(Common.StateDirectory.Path, "store");

    /// <inheritdoc/>
    public override string ToString() =>
        IsRegistry ? $"{Prefix}//{Host}/{Repository}{(Tag is null ? "" : $":{Tag}")}"
        : Folder is null ? $"{Prefix}{Tag}"
        : $"{Prefix}{Folder}{(Tag is null ? "" : $":{Tag}")}";

    private static StoreName ParseRegistry(string text, string rest)
    {
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        string host = slash < 0 ? rest : rest[..slash];
        string path = slash < 0 ? "" : rest[(slash + 1)..];
        int colon = path.IndexOf(':', StringComparison.Ordinal);
        string repository = colon < 0 ? path : path[..colon];
        return host.Contains('@', StringComparison.Ordinal) ? throw Refused(text, "it has a user in it, and a password on a command line is no secret", "Log in with skopeo login or podman login, or name a file of credentials with -AuthFile.")
            : !HostPattern().IsMatch(host) ? throw Refused(text, $"'{host}' is no host of a registry", Forms)
            : !RepositoryPattern().IsMatch(repository) ? throw Refused(text, $"'{repository}' is no repository: its name has lower-case letters, digits and separators", Forms)
            : new StoreName { Host = host, Repository = repository, Tag = colon < 0 ? null : RequireTag(text, path[(colon + 1)..]) };
    }

    private static string RequireTag(string text, string tag) => IsTag(tag) ? tag : throw (tag.AsSpan().ContainsAny('*', '?', '[')
        ? Refused(text, "a tag has no wildcards", "Get-CracImage lists the tags of a store; filter them with Where-Object.")
        : Refused(text, $"'{tag}' is no tag: it has letters, digits, dots, dashes and underscores, at most 128, and does not begin with a dot or dash", Forms));

    private static CracException Refused(string text, string why, string action) => new(CracReason.OptionRefused, $"'{text}' is no name of a store or of an image in one: {why}.", action);

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\z", RegexOptions.CultureInvariant)]
    private static partial Regex TagPattern();

    [GeneratedRegex(@"^(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex HostPattern();

    [GeneratedRegex(@"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*\z", RegexOptions.CultureInvariant)]
    private static partial Regex RepositoryPattern();
}
