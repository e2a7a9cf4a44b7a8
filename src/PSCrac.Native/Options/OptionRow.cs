using System.Globalization;
using PSCrac.Interop;

namespace PSCrac.Options;

/// <summary>
/// What PSCrac knows of one option of criu: a row of <see cref="OptionTable"/>. Names are criu's long ones without dashes (criu(8)).
/// </summary>
internal sealed record OptionRow
{
    private readonly OptionScope? _parameterScope;
    private readonly Action<CriuOptionsHandle, object>? _setter;
    private readonly ValueKind _kind;

    private OptionRow(string name, ValueKind kind, Action<CriuOptionsHandle, object>? setter = null)
    {
        Name = name;
        _kind = kind;
        _setter = setter;
    }

    // What a value is: true or false, a whole number, a text, or whatever -CriuOption takes.
    private enum ValueKind
    {
        Switch,
        Number,
        Text,
        Any,
    }

    /// <summary>criu's long name.</summary>
    internal string Name { get; }

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

    /// <summary>The name of an option that contradicts it; null for none.</summary>
    internal string? Excludes { get; init; }

    /// <summary>Whether the engine of a CRaC JVM passes it to its criu by itself, and no other.</summary>
    internal bool IsPassedByJava { get; init; }

    /// <summary>Whether libcriu has a setter for it; else it goes into criu's configuration file.</summary>
    internal bool HasSetter => _setter is not null;

    /// <summary>An option that is on or off.</summary>
    /// <param name="name">criu's name.</param>
    /// <param name="setter">libcriu's setter; null for a line of the configuration file.</param>
    internal static OptionRow Switch(string name, Action<CriuOptionsHandle, bool>? setter = null) =>
        new(name, ValueKind.Switch, setter is null ? null : (handle, value) => setter(handle, (bool)value));

    /// <summary>An option with a number.</summary>
    /// <inheritdoc cref="Switch"/>
    internal static OptionRow Number(string name, Action<CriuOptionsHandle, uint>? setter = null) =>
        new(name, ValueKind.Number, setter is null ? null : (handle, value) => setter(handle, (uint)Math.Min((long)value, uint.MaxValue)));

    /// <summary>An option with a text.</summary>
    /// <inheritdoc cref="Switch"/>
    internal static OptionRow Text(string name, Action<CriuOptionsHandle, string>? setter = null) =>
        new(name, ValueKind.Text, setter is null ? null : (handle, value) => setter(handle, (string)value));

    /// <summary>An option that -CriuOption gives, with what -CriuOption takes: true, a text, a number, a list.</summary>
    internal static OptionRow Any(string name) => new(name, ValueKind.Any);

    /// <summary>An option that PSCrac alone decides about, or by a parameter of another meaning.</summary>
    internal static OptionRow Reserved(string name, string? parameter = null, OptionScope parameterScope = OptionScope.Checkpoint) =>
        new(name, ValueKind.Any) { IsReserved = true, Parameter = parameter, ParameterScope = parameterScope };

    /// <summary>How a caller of a cmdlet gives it, for messages: -ShellJob, -CriuOption @{ root = '/' }.</summary>
    /// <param name="value">The value; null for an option without one.</param>
    internal string Spelling(string? value = null)
    {
        if (Parameter is not null)
        {
            return $"-{Parameter}";
        }

        string key = Name.Contains('-', StringComparison.Ordinal) ? $"'{Name}'" : Name;
        return $"-CriuOption @{{ {key} = {(value is null ? "$true" : $"'{value}'")} }}";
    }

    /// <summary>What to do instead of naming it in -CriuOption.</summary>
    /// <param name="scope">The operation that is asked for.</param>
    internal string Refusal(OptionScope scope) =>
        ParameterScope.HasFlag(scope) ? $"Use the parameter -{Parameter} instead." : $"Leave '{Name}' out of -CriuOption.";

    /// <summary>The value in the form that options keep: from a parameter, a manifest, or a finding's text.</summary>
    /// <param name="value">A bool, a number, a text, a list; null for an option without a value.</param>
    internal object Read(object? value) => _kind switch
    {
        ValueKind.Switch => value is not false,
        ValueKind.Number => Convert.ToInt64(value, CultureInfo.InvariantCulture),
        ValueKind.Text => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        _ => value ?? true,
    };

    /// <summary>As <see cref="Read"/>; null where the value is of no use to it.</summary>
    internal object? TryRead(object? value)
    {
        try
        {
            return Read(value);
        }
        catch (Exception e) when (e is FormatException or InvalidCastException or OverflowException)
        {
            return null;
        }
    }

    /// <summary>Sets it in a request to criu. An option that is on or off is always told, so that a file of criu's own cannot turn it on.</summary>
    internal void Set(CriuOptionsHandle request, object? value)
    {
        object? set = value ?? (_kind == ValueKind.Switch ? false : null);
        if (set is not null)
        {
            _setter?.Invoke(request, set);
        }
    }

    /// <summary>Whether it is the same option of criu.</summary>
    public bool Equals(OptionRow? other) => other is not null && other.Name == Name;

    /// <inheritdoc/>
    public override int GetHashCode() => string.GetHashCode(Name, StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
