using System.Management.Automation;
using PSCrac.Starting;

namespace PSCrac.Commands.Common;

/// <summary>Makes the engine's conditions of the -Ready parameters.</summary>
internal static class ReadyParameters
{
    /// <summary>The conditions of the parameters that a start and a restore share.</summary>
    /// <param name="uri">-ReadyUri; null where it was not given.</param>
    /// <param name="port">-ReadyPort; 0 where it was not given.</param>
    /// <param name="script">Runs -ReadyScript; null where it was not given.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: the URI is not http or https.</exception>
    internal static IEnumerable<ReadyCondition> Conditions(Uri? uri, int port, Func<bool>? script)
    {
        if (port > 0)
        {
            yield return new ReadyPort(port);
        }

        if (uri is not null)
        {
            yield return uri.IsAbsoluteUri && uri.Scheme is "http" or "https"
                ? new ReadyUri(uri)
                : throw new CracException(CracReason.OptionRefused, $"-ReadyUri {uri} is no http or https address.", "Give the whole of it, such as http://127.0.0.1:8080/health.");
        }

        if (script is not null)
        {
            yield return new ReadyTest(script, "-ReadyScript gave nothing that is true");
        }
    }

    /// <summary>The conditions on what a program writes.</summary>
    /// <param name="pattern">-ReadyPattern; null where it was not given.</param>
    /// <param name="request">The start, with the files of the program's output.</param>
    /// <param name="file">The full path of -ReadyFile; null where it was not given.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: the pattern is no regular expression, or there is no output to match.</exception>
    internal static IEnumerable<ReadyCondition> OutputConditions(string? pattern, StartRequest request, string? file)
    {
        if (file is not null)
        {
            yield return new ReadyFile(file);
        }

        if (pattern is not null)
        {
            string[] outputs = [.. new[] { request.StandardOutputPath, request.StandardErrorPath }.OfType<string>()];
            yield return outputs.Length > 0 ? NewPattern(pattern, outputs) : throw new CracException(
                CracReason.OptionRefused,
                "-ReadyPattern has no output to look at.",
                "Give -StandardOutputPath, -StandardErrorPath, or both, which may be the same file.");
        }
    }

    /// <summary>Runs -ReadyScript with the process, if it exists already, as $_. An exception means not ready.</summary>
    internal static bool RunScript(ScriptBlock script, object? process)
    {
        try
        {
            return LanguagePrimitives.IsTrue(script.InvokeWithContext(null, [new PSVariable("_", process)]));
        }
        catch (RuntimeException e) when (e is not PipelineStoppedException)
        {
            return false;
        }
    }

    private static ReadyPattern NewPattern(string pattern, string[] outputs)
    {
        try
        {
            return new ReadyPattern(pattern, outputs);
        }
        catch (ArgumentException e)
        {
            throw new CracException(CracReason.OptionRefused, $"-ReadyPattern '{pattern}' is no regular expression: {e.Message}", "Correct it; what is meant as it stands is written as [regex]::Escape('text') gives it.", e);
        }
    }
}
