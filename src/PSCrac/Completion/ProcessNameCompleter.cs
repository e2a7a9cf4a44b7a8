using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using PSCrac.Commands.Common;

namespace PSCrac.Completion;

/// <summary>Completes the names of processes, as Get-Process shows them.</summary>
internal sealed class ProcessNameCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        string word = WildcardPattern.Unescape(PathCompletion.Unquote(wordToComplete));
        var names = new SortedSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach ((int id, string name) in ProcessNames.All())
        {
            if (id != Environment.ProcessId && name.StartsWith(word, StringComparison.OrdinalIgnoreCase))
            {
                names.Add(name);
            }
        }

        var results = new List<CompletionResult>();
        foreach (string name in names)
        {
            results.Add(new CompletionResult(
                PathCompletion.Quote(WildcardPattern.Escape(name)), PathCompletion.Show(name), CompletionResultType.ParameterValue, PathCompletion.Show(name)));
        }

        return results;
    }
}
