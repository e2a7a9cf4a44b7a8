using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace PSCrac.Completion;

/// <summary>Completes paths for parameters that take them as they are, without wildcards.</summary>
internal sealed class LiteralPathCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        PathCompletion.Complete(PathCompletion.Unquote(wordToComplete), takesWildcards: false);
}
