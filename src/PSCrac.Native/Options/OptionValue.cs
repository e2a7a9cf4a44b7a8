using System.Globalization;
using PSCrac.Interop;

namespace PSCrac.Options;

/// <summary>What the values of an option of criu are, and how one is passed to criu.</summary>
internal sealed class OptionValue
{
    private readonly Func<object?, object> _read;
    private readonly Action<CriuOptionsHandle, object>? _setter;
    private readonly object? _absent;
    private readonly string? _export;

    private OptionValue(Func<object?, object> read, Action<CriuOptionsHandle, object>? setter = null, object? absent = null, string? export = null)
    {
        _read = read;
        _setter = setter;
        _absent = absent;
        _export = export;
    }

    /// <summary>Whatever -CriuOption takes: true, a text, a number, a list.</summary>
    internal static OptionValue Any { get; } = new(static value => value ?? true);

    /// <summary>As <see cref="Any"/>; a text of several lines is a list of them.</summary>
    internal static OptionValue Lines { get; } = new(static value => value is string text && text.Contains('\n', StringComparison.Ordinal) ? text.Split('\n') : value ?? true);

    /// <summary>Whether the loaded libcriu has a setter for it; else it goes into criu's configuration file.</summary>
    internal bool HasSetter => _setter is not null && (_export is null || LibCriu.Has(_export));

    /// <summary>On or off. libcriu is always told, so that no file of criu's own turns it on.</summary>
    /// <param name="setter">libcriu's setter; null for a line of the configuration file.</param>
    internal static OptionValue Switch(Action<CriuOptionsHandle, bool>? setter = null) => new(
        static value => value is not false, setter is null ? null : (request, value) => setter(request, (bool)value), absent: false);

    /// <summary>On or off. libcriu is told where it has the setter; a file of criu's own may turn it on.</summary>
    /// <param name="setter">libcriu's setter.</param>
    /// <param name="export">Its name, for a libcriu that does not have it.</param>
    internal static OptionValue LateSwitch(Action<CriuOptionsHandle, bool> setter, string export) =>
        new(static value => value is not false, (request, value) => setter(request, (bool)value), export: export);

    /// <summary>A whole number; libcriu is passed at most 2^32 - 1.</summary>
    /// <inheritdoc cref="Switch"/>
    internal static OptionValue Number(Action<CriuOptionsHandle, uint> setter) => new(
        static value => Convert.ToInt64(value, CultureInfo.InvariantCulture), (request, value) => setter(request, (uint)Math.Min((long)value, uint.MaxValue)));

    /// <summary>A text.</summary>
    /// <inheritdoc cref="Switch"/>
    internal static OptionValue Text(Action<CriuOptionsHandle, string> setter) => new(
        static value => Convert.ToString(value, CultureInfo.InvariantCulture)!, (request, value) => setter(request, (string)value));

    /// <summary>The value in the form that options keep, of a parameter's, a manifest's or a finding's.</summary>
    /// <param name="value">A bool, a number, a text, a list; null for an option without a value.</param>
    internal object Read(object? value) => _read(value);

    /// <summary>As <see cref="Read"/>; null where it is no value of this option.</summary>
    internal object? TryRead(object? value)
    {
        try
        {
            return _read(value);
        }
        catch (Exception e) when (e is FormatException or InvalidCastException or OverflowException)
        {
            return null;
        }
    }

    /// <summary>Passes a value to criu by libcriu's setter, where there is one.</summary>
    /// <param name="request">The request to criu.</param>
    /// <param name="value">The value, as <see cref="Read"/> gives it; null where the option is not given.</param>
    internal void Set(CriuOptionsHandle request, object? value)
    {
        if ((value ?? _absent) is { } set)
        {
            _setter?.Invoke(request, set);
        }
    }
}
