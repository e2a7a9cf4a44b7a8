using System.Collections;
using System.Diagnostics;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Language;
using PSCrac.Procfs;

namespace PSCrac.Completion;

/// <summary>Completes process ids by the first digits of the id, or the first letters of the process's name.</summary>
internal sealed class ProcessIdCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        var results = new List<CompletionResult>();
        foreach (Process process in Process.GetProcesses())
        {
            using (process)
            {
                // A process without arguments is a kernel thread, or has ended.
                if (process.Id != Environment.ProcessId && TryRead(process.Id) is { Arguments.Count: > 0 } command)
                {
                    string id = process.Id.ToString(CultureInfo.InvariantCulture);
                    if (id.StartsWith(wordToComplete, StringComparison.Ordinal) || command.CommandName.StartsWith(wordToComplete, StringComparison.OrdinalIgnoreCase))
                    {
                        results.Add(new CompletionResult(id, PathCompletion.Show($"{id} ({command.CommandName})"), CompletionResultType.ParameterValue, PathCompletion.Show(command.Display)));
                    }
                }
            }
        }

        return results;
    }

    private static ProcessCommandLine? TryRead(int id)
    {
        try
        {
            return ProcessCommandLine.Read(id);
        }
        catch (CracException)
        {
            // The process has ended meanwhile.
            return null;
        }
    }
}
