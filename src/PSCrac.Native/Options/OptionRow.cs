namespace PSCrac.Options;

/// <summary>
/// What PSCrac knows of one option of criu: a row of <see cref="OptionTable"/>. Names are criu's long ones without dashes (criu(8)).
/// </summary>
/// <param name="name">criu's long name.</param>
/// <param name="value">What its values are, and what sets one.</param>
internal sealed class OptionRow(string name, OptionValue value)
{
    private readonly OptionScope? _parameterScope;

    /// <summary>criu's long name.</summary>
    internal string Name { get; } = name;

    /// <summary>What its values are, and what sets one.</summary>
    internal OptionValue Value { get; } = value;

    /// <summary>The cmdlets' parameter, without its dash; null where -CriuOption is the way to give it, or nothing is.</summary>
    internal string? Parameter { get; init; }

    /// <summary>Which of criu's operations take it.</summary>
    internal OptionScope Scope { get; init; } = OptionScope.Both;

    /// <summary>The cmdlets that have <see cref="Parameter"/>; those of <see cref="Scope"/> where nothing else is set.</summary>
    internal OptionScope ParameterScope
    {
        get => Parameter is null ? OptionScope.None : _parameterScope ?? Scope;
        init => _parameterScope = value;
    }

    /// <summary>Whether PSCrac decides about it: -CriuOption may not name it.</summary>
    internal bool IsReserved { get; init; }

    /// <summary>Whether a rule of the preflight may choose it where the caller has not given it.</summary>
    internal bool MayBeChosen { get; init; }

    /// <summary>Whether it may be chosen without being asked for. A rule knows better where it depends on what was found.</summary>
    internal bool LosesNothing { get; init; }

    /// <summary>Whether a restore takes the value that the checkpoint was made with, where it is given no other.</summary>
    internal bool IsRepeated { get; init; }

    /// <summary>The first version of criu that has it; null for one that all supported versions have.</summary>
    internal Version? Since { get; init; }

    /// <summary>The name of an option that contradicts it; null for none.</summary>
    internal string? Excludes { get; init; }

    /// <summary>Whether the engine of a CRaC JVM passes it to its criu by itself, and no other.</summary>
    internal bool IsPassedByJava { get; init; }

    /// <summary>An option that PSCrac alone decides about, or by a parameter of another meaning.</summary>
    internal static OptionRow Reserved(string name, string? parameter = null, OptionScope parameterScope = OptionScope.Checkpoint) =>
        new(name, OptionValue.Any) { IsReserved = true, Parameter = parameter, ParameterScope = parameterScope };

    /// <summary>How a caller of a cmdlet gives it, for messages: -ShellJob, -CriuOption @{ root = '/' }.</summary>
    /// <param name="value">The value; null for an option without one.</param>
    internal string Spelling(string? value = null)
    {
        if (Parameter is not null)
        {
            return $"-{Parameter}";
        }

        string key = Name.Contains('-', StringComparison.Ordinal) ? $"'{Name}'" : Name;
        return $"-CriuOption @{{ {key} = {(value is null ? "$true" : $"'{value.Replace("\n", "', '", StringComparison.Ordinal)}'")} }}";
    }

    /// <summary>The exception for an option that -CriuOption may not name.</summary>
    /// <param name="scope">The operation that is asked for.</param>
    internal CracException Refuse(OptionScope scope)
    {
        bool hasParameter = ParameterScope.HasFlag(scope);
        string message = hasParameter ? $"criu's option --{Name} is given with the parameter -{Parameter}, not with -CriuOption."
            : Parameter is not null ? $"criu's option --{Name} is given with the parameter -{Parameter}, which this operation does not have."
            : $"criu's option --{Name} is set by PSCrac itself.";
        return new CracException(
            CracReason.OptionRefused, message, hasParameter ? $"Use the parameter -{Parameter} instead." : $"Leave '{Name}' out of -CriuOption.");
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
