namespace PSCrac.Jvm;

/// <summary>
/// The options of a java command line that matter here. Later ones override earlier ones, as in HotSpot, and the
/// environment's JAVA_TOOL_OPTIONS and JDK_JAVA_OPTIONS come before the command line (JDK Tool Specifications, java).
/// Option files (@file, -XX:VMOptionsFile, -XX:Flags) are not followed: the JVM itself is asked where it matters.
/// </summary>
internal sealed record JvmArguments
{
    /// <summary>-XX:CRaCCheckpointTo as it was written; null where it was not given.</summary>
    internal string? CheckpointTo { get; private init; }

    /// <summary>-XX:CRaCEngine, or -XX:CREngine of older builds: a name or a path, its own options cut off; null where it was not given.</summary>
    internal string? Engine { get; private init; }

    /// <summary>-XX:CRaCEngineOptions; null where it was not given.</summary>
    internal string? EngineOptions { get; private init; }

    /// <summary>The engine's option criu_location; null where it was not given.</summary>
    internal string? CriuPath { get; private init; }

    /// <summary>-XX:+DisableAttachMechanism.</summary>
    internal bool AttachDisabled { get; private init; }

    /// <summary>-Djdk.crac.collect-fd-stacktraces=true.</summary>
    internal bool CollectsStackTraces { get; private init; }

    /// <summary>Whether the process goes on after its checkpoint: the engine option, a flag of older builds, or the variable of the oldest.</summary>
    internal bool KeepsRunning { get; private init; }

    /// <summary>Whether options may be hidden in files.</summary>
    internal bool HasOptionFiles { get; private init; }

    /// <summary>Reads a command line.</summary>
    /// <param name="arguments">The arguments, the program first.</param>
    /// <param name="environment">The process's environment; null where it may not be read.</param>
    internal static JvmArguments Parse(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment)
    {
        var found = new JvmArguments { KeepsRunning = environment?.ContainsKey("CRAC_CRIU_LEAVE_RUNNING") == true };
        foreach (string variable in (ReadOnlySpan<string>)["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"])
        {
            string words = environment?.GetValueOrDefault(variable) ?? string.Empty;
            foreach (string word in words.Split((char[])[' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries))
            {
                found = found.With(word.Trim('"', '\''));
            }
        }

        // A program that loads the JVM as a library has a command line of its own, in which a word may only look like an option: the
        // JVM is asked before what was found is used.
        for (int i = 1; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument is "-cp" or "-classpath" or "--class-path" or "-p" or "--module-path" or "--add-modules" or "--add-opens" or "--add-exports" or "--add-reads")
            {
                i++;
                continue;
            }

            if (!argument.StartsWith('-') && !argument.StartsWith('@'))
            {
                break; // The main class: what follows is the application's.
            }

            if (argument is "-jar" or "-m" or "--module" || argument.StartsWith("--module=", StringComparison.Ordinal))
            {
                break;
            }

            found = found.With(argument);
        }

        return found;
    }

    private JvmArguments With(string argument)
    {
        string? Value(string option) => argument.StartsWith(option, StringComparison.Ordinal) ? argument[option.Length..] : null;
        if (Value("-XX:CRaCCheckpointTo=") is { Length: > 0 } directory)
        {
            return this with { CheckpointTo = directory };
        }

        if ((Value("-XX:CRaCEngine=") ?? Value("-XX:CREngine=")) is { } engine)
        {
            // Older builds take the engine's own arguments after a comma.
            return this with { Engine = engine.Split(',')[0] };
        }

        if (Value("-XX:CRaCEngineOptions=") is { } options)
        {
            const string Location = "criu_location=";
            string[] each = options.Split(',');
            return this with
            {
                EngineOptions = options,
                KeepsRunning = KeepsRunning || each.Contains("keep_running=true", StringComparer.Ordinal),
                CriuPath = each.LastOrDefault(static option => option.StartsWith(Location, StringComparison.Ordinal))?[Location.Length..] ?? CriuPath,
            };
        }

        return argument switch
        {
            "-XX:+CRaCKeepRunning" => this with { KeepsRunning = true },
            "-XX:+DisableAttachMechanism" => this with { AttachDisabled = true },
            "-XX:-DisableAttachMechanism" => this with { AttachDisabled = false },
            "-Djdk.crac.collect-fd-stacktraces=true" => this with { CollectsStackTraces = true },
            _ when argument.StartsWith('@') || argument.StartsWith("-XX:VMOptionsFile=", StringComparison.Ordinal) || argument.StartsWith("-XX:Flags=", StringComparison.Ordinal) =>
                this with { HasOptionFiles = true },
            _ => this,
        };
    }
}
