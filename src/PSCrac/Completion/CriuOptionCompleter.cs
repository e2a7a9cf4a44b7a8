using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using PSCrac.Options;

namespace PSCrac.Completion;

/// <summary>Completes -CriuOption with the options that have no parameter of their own, each as a hashtable to fill in.</summary>
internal sealed class CriuOptionCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        var wanted = WildcardPattern.Get(wordToComplete + "*", WildcardOptions.IgnoreCase);
        foreach (OptionRow row in OptionTable.Rows)
        {
            if (row is { Parameter: null, IsReserved: false } && wanted.IsMatch(row.Name))
            {
                yield return new CompletionResult($"@{{ '{row.Name}' = $true }}", row.Name, CompletionResultType.ParameterValue, $"criu --{row.Name}");
            }
        }
    }
}
