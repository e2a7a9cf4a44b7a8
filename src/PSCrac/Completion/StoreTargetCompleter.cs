using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace PSCrac.Completion;

/// <summary>Completes paths, and names of stores and of images in them.</summary>
internal sealed class StoreTargetCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        string word = PathCompletion.Unquote(wordToComplete);
        return StoreCompletion.Complete(word, fakeBoundParameters) ?? PathCompletion.Complete(word, takesWildcards: false);
    }
}
