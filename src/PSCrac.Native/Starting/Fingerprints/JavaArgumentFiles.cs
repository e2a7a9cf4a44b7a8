using System.Text;

namespace PSCrac.Starting.Fingerprints;

/// <summary>The command line of a <c>java</c> with its argument files expanded (JDK Tool Specifications, java, "java Command-Line Argument Files").</summary>
internal static class JavaArgumentFiles
{
    private const int MaximumSize = 1 << 20;

    /// <summary>The arguments as the launcher sees them: those of JDK_JAVA_OPTIONS first, and @files expanded up to the main class.</summary>
    internal static List<string> Expand(StartedCommand command, IReadOnlyList<string> arguments)
    {
        var words = new List<string>();
        foreach (string word in Split(command.GetVariable("JDK_JAVA_OPTIONS") ?? string.Empty))
        {
            AddExpanded(command, words, word);
        }

        bool isExpanding = true;
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            isExpanding = isExpanding && argument != "--disable-@files";
            if (!isExpanding)
            {
                words.Add(argument);
                continue;
            }

            AddExpanded(command, words, argument);

            // The arguments after the main class are the application's.
            isExpanding = argument.StartsWith('-') || argument.StartsWith('@') || (i > 0 && arguments[i - 1].StartsWith('-'));
        }

        return words;
    }

    /// <summary>Splits a text of options at white space outside quotes; # at the start of a word begins a comment.</summary>
    internal static List<string> Split(string text)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        bool isOpen = false;
        char quote = '\0';
        for (int i = 0; i < text.Length; i++)
        {
            char each = text[i];
            if (quote != '\0')
            {
                if (each == quote)
                {
                    quote = '\0';
                }
                else
                {
                    word.Append(each == '\\' && i + 1 < text.Length ? text[++i] : each);
                }
            }
            else if (each is '"' or '\'')
            {
                (quote, isOpen) = (each, true);
            }
            else if (char.IsWhiteSpace(each))
            {
                Close();
            }
            else if (each == '#' && !isOpen)
            {
                int end = text.IndexOf('\n', i);
                i = end < 0 ? text.Length : end;
            }
            else
            {
                isOpen = true;
                word.Append(each);
            }
        }

        Close();
        return words;

        void Close()
        {
            if (isOpen)
            {
                words.Add(word.ToString());
            }

            word.Clear();
            isOpen = false;
        }
    }

    private static void AddExpanded(StartedCommand command, List<string> words, string word)
    {
        if (word.StartsWith("@@", StringComparison.Ordinal))
        {
            words.Add(word[1..]);
        }
        else if (word is ['@', _, ..] && Read(command.GetFullPath(word[1..])) is { } text)
        {
            words.AddRange(Split(text));
        }
        else
        {
            words.Add(word);
        }
    }

    private static string? Read(string path)
    {
        try
        {
            return FileFingerprint.TryStat(path, out Interop.LibC.Statx status) && status.Size <= MaximumSize ? File.ReadAllText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
