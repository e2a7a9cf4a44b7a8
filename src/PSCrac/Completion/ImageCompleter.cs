using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using PSCrac.Images.Operations;

namespace PSCrac.Completion;

/// <summary>Completes names of images under the image root and, where a path may be given, paths and names in stores.</summary>
internal sealed class ImageCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        string word = PathCompletion.Unquote(wordToComplete);
        bool isName = parameterName == "ImageName";
        if (!isName && StoreCompletion.Complete(word, fakeBoundParameters) is { } stored)
        {
            return stored;
        }

        bool takesWildcards = parameterName == "Path";
        string? here = isName ? null : PathCompletion.TryResolve(".");
        var results = new List<CompletionResult>();
        foreach (string path in FindImages(takesWildcards ? WildcardPattern.Unescape(word) : word, takesServices: parameterName is "Path" or "LiteralPath"))
        {
            string name = Path.GetFileName(path);
            if (isName && ImageName.FindFault(name) is not null)
            {
                continue;
            }

            // A name that is also a path here would be resolved as the path.
            string text = here is not null && (name == "~" || Path.Exists(Path.Combine(here, name))) ? path : name;
            text = takesWildcards ? WildcardPattern.Escape(text) : text;
            results.Add(new CompletionResult(PathCompletion.Quote(text), PathCompletion.Show(name), CompletionResultType.ParameterValue, PathCompletion.Show(path)));
        }

        if (!isName)
        {
            results.AddRange(PathCompletion.Complete(word, takesWildcards));
        }
        else if (results.Count == 0 && ImageName.FindFault(word) is null)
        {
            // A new name. Without a result PowerShell would offer paths.
            results.Add(new CompletionResult(PathCompletion.Quote(word), PathCompletion.Show(word), CompletionResultType.ParameterValue, PathCompletion.Show(word)));
        }

        return results;
    }

    private static List<string> FindImages(string word, bool takesServices)
    {
        var found = new List<string>();
        if (word.Contains('/', StringComparison.Ordinal))
        {
            return found;
        }

        try
        {
            foreach (string each in ImageRoot.EnumerateImages().Concat(takesServices ? ImageRoot.EnumerateSeries() : []))
            {
                string name = Path.GetFileName(each);
                if (name.StartsWith(word, StringComparison.Ordinal) && PathCompletion.IsReachable(name))
                {
                    found.Add(each);
                }
            }
        }
        catch (CracException)
        {
            // The image root cannot be read: nothing to offer.
        }

        return found;
    }
}
