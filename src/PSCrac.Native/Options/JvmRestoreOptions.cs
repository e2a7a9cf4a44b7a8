namespace PSCrac.Options;

/// <summary>Options for java, where java restores a JVM that checkpointed itself. criu supports none of them.</summary>
public sealed record JvmRestoreOptions
{
    /// <summary>The <c>java</c> to restore with; null for that of the runtime that made the image. Another build cannot restore it.</summary>
    public string? JavaPath { get; init; }

    /// <summary>A class whose main method is called, with <see cref="Arguments"/>, once the application is back; null for none.</summary>
    public string? MainClass { get; init; }

    /// <summary>The arguments of <see cref="MainClass"/>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>System properties to set or change before the application is told that it is back.</summary>
    public IReadOnlyDictionary<string, string> Properties { get; init; } = new Dictionary<string, string>();

    /// <summary>Further options for <c>java</c>, such as <c>-XX:CRaCEngineOptions=…</c>; only those that a JVM takes at a restore.</summary>
    public IReadOnlyList<string> JavaOptions { get; init; } = [];

    /// <summary>How long java may take until the application runs.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Refuses options for java where criu restores.</summary>
    /// <param name="engine">What restores.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>, with what to leave out.</exception>
    internal void RequireConsistent(CracEngineChoice engine)
    {
        if (engine == CracEngineChoice.Criu && Given() is [var name, ..])
        {
            throw new CracException(
                CracReason.OptionRefused, $"{name} is what java does with its own images, and -Engine Criu leaves java out.", $"Leave out -Engine Criu, or {name}.");
        }
    }

    /// <summary>The options that are given, by the names of the cmdlets' parameters.</summary>
    internal List<string> Given()
    {
        var given = new List<string>();
        Add("-JavaPath", JavaPath is not null);
        Add("-MainClass", MainClass is not null);
        Add("-ArgumentList", Arguments.Count > 0);
        Add("-Property", Properties.Count > 0);
        Add(string.Join(' ', JavaOptions), JavaOptions.Count > 0);
        return given;

        void Add(string name, bool isGiven)
        {
            if (isGiven)
            {
                given.Add(name);
            }
        }
    }
}
