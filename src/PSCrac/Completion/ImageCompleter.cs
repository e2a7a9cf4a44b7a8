using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using PSCrac.Images;

namespace PSCrac.Completion;

/// <summary>Completes names of images under the image root and, where a path may be given, paths.</summary>
public sealed class ImageCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        string word = wordToComplete.Trim('\'', '"');
        bool isName = parameterName == "ImageName";
        var results = new List<CompletionResult>();
        foreach (string name in FindNames(word))
        {
            // What a name would mean as a wildcard must not be taken for one.
            string text = parameterName == "Path" ? WildcardPattern.Escape(name) : name;
            results.Add(new CompletionResult(Quote(text), name, CompletionResultType.ParameterValue, Path.Combine(ImageRoot.Path, name)));
        }

        return isName ? results : results.Concat(CompletionCompleters.CompleteFilename(wordToComplete));
    }

    private static List<string> FindNames(string word)
    {
        var names = new List<string>();
        try
        {
            if (!word.Contains('/', StringComparison.Ordinal))
            {
                foreach (string each in Directory.EnumerateDirectories(ImageRoot.Path))
                {
                    string name = Path.GetFileName(each);
                    if (name.StartsWith(word, StringComparison.Ordinal) && CracImage.IsImageDirectory(each))
                    {
                        names.Add(name);
                    }
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No image root, or a closed one: nothing to offer.
        }

        names.Sort(StringComparer.Ordinal);
        return names;
    }

    private static string Quote(string name) =>
        name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-') && name[0] != '-'
            ? name
            : $"'{name.Replace("'", "''", StringComparison.Ordinal)}'";
}
