using System.Management.Automation;
using PSCrac.Starting;

namespace PSCrac.Commands.Common;

/// <summary>The -Ready parameters that mean the same after a start and after a restore, as the engine takes them.</summary>
internal static class ReadyParameters
{
    /// <summary>The conditions.</summary>
    /// <param name="uri">-ReadyUri; null where it was not given.</param>
    /// <param name="port">-ReadyPort; 0 where it was not given.</param>
    /// <param name="script">What asks -ReadyScript; null where it was not given.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: the URI is none that can be asked.</exception>
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

    /// <summary>Runs a -ReadyScript with the process, where there is one already, as $_. What it throws means that it is not ready yet.</summary>
    internal static bool Ask(ScriptBlock script, object? process)
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
}
