using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using PSCrac.Starting.Services;

namespace PSCrac.Completion;

/// <summary>Completes the names of services that are described.</summary>
internal sealed class ServiceNameCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        string word = PathCompletion.Unquote(wordToComplete);
        foreach (string name in ServiceStore.ReadNames())
        {
            if (name.StartsWith(word, StringComparison.Ordinal))
            {
                yield return new CompletionResult(PathCompletion.Quote(name));
            }
        }
    }
}
