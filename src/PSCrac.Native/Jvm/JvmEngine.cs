namespace PSCrac.Jvm;

/// <summary>
/// The engine that a JVM checkpoints with: the JVM's flag CRaCEngine, or CREngine of older builds. A name, or a path of a
/// library (libNAME.so) or program; older builds take the engine's own arguments after a comma.
/// </summary>
internal static class JvmEngine
{
    /// <summary>How a JVM is given another criu: an option of today's engine, a variable of older ones.</summary>
    internal const string OtherCriu = "-XX:CRaCEngineOptions=criu_location=PATH (older builds: CRAC_CRIU_PATH in the JVM's environment)";

    /// <summary>The first JDK that does not heed CRAC_CRIU_PATH and CRAC_CRIU_OPTS (openjdk/crac: criuengine.cpp tells so).</summary>
    internal const int WithoutVariables = 28;

    /// <summary>Asks a JVM for its engine.</summary>
    /// <param name="attachment">The JVM.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The name; null where the JVM has no such flag, or the flag has no value.</returns>
    internal static string? Read(JvmAttachment attachment, CancellationToken cancellation)
    {
        foreach (string flag in (ReadOnlySpan<string>)["CRaCEngine", "CREngine"])
        {
            if (attachment.ReadFlag(flag, cancellation) is { Length: > 0 } value)
            {
                return NameOf(value);
            }
        }

        return null;
    }

    /// <summary>The name in a flag's value: /jdk/lib/libcriuengine.so,--verbose is criuengine.</summary>
    internal static string NameOf(string value)
    {
        string name = Path.GetFileName(value.Split(',')[0]);
        return name.StartsWith("lib", StringComparison.Ordinal) && name.EndsWith(".so", StringComparison.Ordinal) ? name[3..^3] : name;
    }

    /// <summary>Whether an engine's images are criu's: criuengine, in older builds criu too.</summary>
    internal static bool IsCriu(string name) => name.Contains("criu", StringComparison.OrdinalIgnoreCase);
}
