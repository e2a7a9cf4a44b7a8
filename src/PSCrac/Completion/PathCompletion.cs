using System.Management.Automation;
using System.Management.Automation.Language;
using PSCrac.Formatting;

namespace PSCrac.Completion;

/// <summary>
/// Completes paths. PowerShell's own completion escapes wildcards, which is wrong for a parameter that takes none, and stops in
/// a folder that has a name with a backslash.
/// </summary>
internal static class PathCompletion
{
    /// <summary>What was typed so far, without the quotes that PowerShell puts around it.</summary>
    internal static string Unquote(string word) =>
        word.Length > 1 && word[0] is '\'' or '"' && word[^1] == word[0] ? word[1..^1] : word;

    /// <summary>A text as one argument of a command line.</summary>
    internal static string Quote(string text)
    {
        bool isPlain = char.IsAsciiLetter(text[0]) || text[0] == '/' || text.StartsWith("./", StringComparison.Ordinal) || text.StartsWith("../", StringComparison.Ordinal);
        foreach (char c in text)
        {
            isPlain &= char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '/';
        }

        return isPlain ? text : $"'{CodeGeneration.EscapeSingleQuotedStringContent(text)}'";
    }

    /// <summary>Whether PowerShell can lead to a file of this name at all.</summary>
    internal static bool IsReachable(string name) => !name.AsSpan().ContainsAny('\\', '\uFFFD');

    /// <summary>What fits behind a word.</summary>
    /// <param name="word">The word, without quotes.</param>
    /// <param name="takesWildcards">Whether the parameter does, so that names are to be escaped.</param>
    internal static IEnumerable<CompletionResult> Complete(string word, bool takesWildcards)
    {
        string plain = takesWildcards ? WildcardPattern.Unescape(word) : word;
        int end = plain.LastIndexOf('/') + 1;
        string prefix = end == 0 ? "./" : plain[..end];
        string leaf = plain[end..];
        var found = new List<CompletionResult>();
        foreach (FileSystemInfo each in Entries(prefix, leaf))
        {
            string path = prefix + each.Name;
            found.Add(new CompletionResult(
                Quote(takesWildcards ? WildcardPattern.Escape(path) : path),
                Show(each.Name),
                each is DirectoryInfo ? CompletionResultType.ProviderContainer : CompletionResultType.ProviderItem,
                Show(each.FullName)));
        }

        return found;
    }

    /// <summary>A name as it can be shown.</summary>
    internal static string Show(string name) => TerminalText.Escape(name);

    /// <summary>The full path for one that a user typed; null where it leads nowhere or out of the file system.</summary>
    internal static string? TryResolve(string path)
    {
        // The session is busy with the completion: only a nested pipeline can use it.
        using var shell = PowerShell.Create(RunspaceMode.CurrentRunspace);
        shell.AddCommand("Microsoft.PowerShell.Management\\Resolve-Path").AddParameter("LiteralPath", path).AddParameter("ErrorAction", ActionPreference.Ignore);
        foreach (PathInfo found in shell.Invoke<PathInfo>())
        {
            return found.Provider.Name == "FileSystem" ? found.ProviderPath : null;
        }

        return null;
    }

    private static List<FileSystemInfo> Entries(string prefix, string leaf)
    {
        var entries = new List<FileSystemInfo>();
        try
        {
            if (TryResolve(prefix) is { } folder)
            {
                foreach (FileSystemInfo each in new DirectoryInfo(folder).EnumerateFileSystemInfos())
                {
                    if (each.Name.StartsWith(leaf, StringComparison.OrdinalIgnoreCase) && (each.Name[0] != '.' || leaf.Length > 0) && IsReachable(each.Name))
                    {
                        entries.Add(each);
                    }
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or RuntimeException)
        {
            // The folder cannot be read: nothing to offer.
        }

        entries.Sort(static (left, right) => string.CompareOrdinal(left.Name, right.Name));
        return entries;
    }
}
