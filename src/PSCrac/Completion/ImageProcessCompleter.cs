using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Language;
using PSCrac.Images.Operations;

namespace PSCrac.Completion;

/// <summary>Completes the pids of the processes of the image that is named before on the command line.</summary>
internal sealed class ImageProcessCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        foreach (CracImageProcess process in Find(fakeBoundParameters))
        {
            string id = process.ProcessId.ToString(CultureInfo.InvariantCulture);
            if (id.StartsWith(wordToComplete, StringComparison.Ordinal) || process.Command.StartsWith(wordToComplete, StringComparison.Ordinal))
            {
                yield return new CompletionResult(id, PathCompletion.Show(process.ToString()), CompletionResultType.ParameterValue, PathCompletion.Show(process.ToString()));
            }
        }
    }

    // A completer must not throw or write errors.
    private static IReadOnlyList<CracImageProcess> Find(IDictionary bound)
    {
        try
        {
            object? given = bound["InputObject"] ?? bound["LiteralPath"] ?? bound["Path"];
            given = given is PSObject wrapped ? wrapped.BaseObject : given;
            if (given is CracImage image)
            {
                return image.Processes;
            }

            string path = LanguagePrimitives.ConvertTo<string[]>(given)[0];
            path = bound.Contains("Path") ? WildcardPattern.Unescape(path) : path;
            return (PathCompletion.TryResolve(path) ?? ImageRoot.Find(path)) is { } found ? CracImage.Open(found).Processes : [];
        }
        catch (Exception e) when (e is CracException or NullReferenceException or IndexOutOfRangeException or ArgumentException or RuntimeException)
        {
            return [];
        }
    }
}
