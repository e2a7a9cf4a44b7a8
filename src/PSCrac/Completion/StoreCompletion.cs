using System.Collections;
using System.Management.Automation;
using PSCrac.Stores;

namespace PSCrac.Completion;

/// <summary>Completes names of stores: the folders of layouts, and tags.</summary>
internal static class StoreCompletion
{
    // The session waits for it. A registry nearby answers in hundredths of a second.
    private static readonly TimeSpan s_registryTimeout = TimeSpan.FromSeconds(2);

    /// <summary>What fits behind a word; null where it does not begin as the name of a store.</summary>
    /// <param name="word">The word, without quotes.</param>
    /// <param name="bound">The parameters that are there already: how a registry is reached.</param>
    internal static IEnumerable<CompletionResult>? Complete(string word, IDictionary bound)
    {
        if (!StoreName.IsName(word))
        {
            return null;
        }

        string rest = word[StoreName.Prefix.Length..];
        int colon = rest.IndexOf(':', StringComparison.Ordinal);
        return rest.StartsWith("//", StringComparison.Ordinal) ? RegistryTags(rest[2..], bound)
            : colon >= 0 ? Tags(StoreName.Prefix + rest[..colon], rest[..colon], rest[(colon + 1)..])
            : rest.Contains('/', StringComparison.Ordinal) || rest is "." or ".." or "~" ? Folders(rest)
            : Tags(StoreName.Prefix, null, rest);
    }

    private static List<CompletionResult> Folders(string rest)
    {
        var found = new List<CompletionResult>();
        foreach (CompletionResult each in PathCompletion.Complete(rest, takesWildcards: false))
        {
            string path = PathCompletion.Unquote(each.CompletionText);
            if (each.ResultType == CompletionResultType.ProviderContainer && !path.Contains(':', StringComparison.Ordinal))
            {
                found.Add(new CompletionResult(PathCompletion.Quote(StoreName.Prefix + path), each.ListItemText, CompletionResultType.ProviderContainer, each.ToolTip));
            }
        }

        // The folder itself, if it is one: its tags.
        if (PathCompletion.TryResolve(rest) is { } folder && StoreLayout.Exists(folder))
        {
            found.AddRange(Tags(StoreName.Prefix + rest.TrimEnd('/'), rest, ""));
        }

        return found;
    }

    private static List<CompletionResult> Tags(string store, string? folder, string start)
    {
        var found = new List<CompletionResult>();
        try
        {
            string? path = folder is null ? StoreName.DefaultFolder : PathCompletion.TryResolve(folder);
            if (path is null)
            {
                return found;
            }

            using StoreLayout layout = StoreLayout.Open(path);
            foreach (StoreTag each in layout.ReadIndex().Tags)
            {
                if (each.Tag is { } tag && StoreName.IsTag(tag) && tag.StartsWith(start, StringComparison.Ordinal))
                {
                    found.Add(TagOf(folder is null ? store + tag : $"{store}:{tag}", tag));
                }
            }
        }
        catch (CracException)
        {
            // There is no store, or it cannot be read: nothing to offer.
        }

        return found;
    }

    private static List<CompletionResult> RegistryTags(string rest, IDictionary bound)
    {
        int colon = rest.IndexOf(':', rest.IndexOf('/', StringComparison.Ordinal) + 1);
        if (!rest.Contains('/', StringComparison.Ordinal) || colon < 0)
        {
            return [];
        }

        string repository = $"{StoreName.Prefix}//{rest[..colon]}";
        using var timeout = new CancellationTokenSource(s_registryTimeout);
        try
        {
            IReadOnlyList<string> tags = new Registry(AccessOf(bound)).ListTags(StoreName.Parse(repository), timeout.Token);
            return [.. tags.Where(tag => tag.StartsWith(rest[(colon + 1)..], StringComparison.Ordinal)).Select(tag => TagOf($"{repository}:{tag}", tag))];
        }
        catch (Exception e) when (e is CracException or OperationCanceledException)
        {
            // It cannot be reached, or not in time: nothing to offer.
            return [];
        }
    }

    private static RegistryAccess AccessOf(IDictionary bound) => new()
    {
        AuthFile = PathOf(bound["AuthFile"]),
        CertificateDirectory = PathOf(bound["CertificateDirectory"]),
        SkipTlsCheck = LanguagePrimitives.IsTrue(bound["SkipTlsCheck"]),
    };

    private static string? PathOf(object? value) => value is string path ? PathCompletion.TryResolve(path) ?? path : null;

    private static CompletionResult TagOf(string name, string tag) => new(PathCompletion.Quote(name), tag, CompletionResultType.ParameterValue, name);
}
