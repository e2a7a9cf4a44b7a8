using System.Management.Automation;
using PSCrac.Stores;

namespace PSCrac.Completion;

/// <summary>Completes names of stores: the folders of layouts, and tags.</summary>
internal static class StoreCompletion
{
    /// <summary>What fits behind a word; null where it does not begin as the name of a store.</summary>
    /// <param name="word">The word, without quotes.</param>
    internal static IEnumerable<CompletionResult>? Complete(string word)
    {
        if (!StoreName.IsName(word))
        {
            return null;
        }

        string rest = word[StoreName.Prefix.Length..];
        int colon = rest.IndexOf(':', StringComparison.Ordinal);
        return rest.StartsWith("//", StringComparison.Ordinal) ? []
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
                    string name = folder is null ? store + tag : $"{store}:{tag}";
                    found.Add(new CompletionResult(PathCompletion.Quote(name), tag, CompletionResultType.ParameterValue, name));
                }
            }
        }
        catch (CracException)
        {
            // There is no store, or it cannot be read: nothing to offer.
        }

        return found;
    }
}
