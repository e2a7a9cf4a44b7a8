using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using PSCrac.Images.Operations;

namespace PSCrac.Completion;

/// <summary>Completes types of image files, in the lower case that crit's users know them by.</summary>
internal sealed class ImageTypeCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        var wanted = WildcardPattern.Get(wordToComplete + "*", WildcardOptions.IgnoreCase);
        foreach (string type in ImageContentReader.TypeNames)
        {
            string name = type.Replace('_', '-').ToLowerInvariant();
            if (wanted.IsMatch(name))
            {
                yield return new CompletionResult(name, name, CompletionResultType.ParameterValue, type);
            }
        }
    }
}
