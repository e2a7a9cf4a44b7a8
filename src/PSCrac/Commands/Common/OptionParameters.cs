using System.Collections;
using System.Globalization;
using System.Management.Automation;
using PSCrac.Options;

namespace PSCrac.Commands.Common;

/// <summary>The parameters that stand for options of criu, read by the engine's table of options.</summary>
internal static class OptionParameters
{
    /// <summary>The options that were given to a cmdlet.</summary>
    /// <param name="none">Options in which nothing is given.</param>
    /// <param name="bound">The parameters that were given, with their values.</param>
    /// <param name="criuOption">The value of -CriuOption.</param>
    internal static T Read<T>(T none, IReadOnlyDictionary<string, object> bound, Hashtable criuOption)
        where T : CriuOptions
    {
        CriuOptions options = none with { CriuOption = Read(criuOption) };
        foreach (OptionRow row in OptionTable.Rows)
        {
            if (row is { IsReserved: false, Parameter: { } name } && row.ParameterScope.HasFlag(none.Scope) && bound.TryGetValue(name, out object? value))
            {
                options = options.With(row, row.Value.Read(Unwrap(value)));
            }
        }

        return (T)options;
    }

    /// <summary>Refuses in -CriuOption what a parameter stands for.</summary>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>, with the parameter.</exception>
    internal static T RequireNoParameterByName<T>(this T options)
        where T : CriuOptions
    {
        foreach (string name in options.CriuOption.Keys)
        {
            if (OptionTable.Find(name) is { Parameter: not null } row)
            {
                throw row.Refuse(options.Scope);
            }
        }

        return options;
    }

    /// <summary>The options of a hashtable by criu's long names, with the types that JSON has.</summary>
    internal static Dictionary<string, object> ReadNames(Hashtable table) => Read(table).ToDictionary(
        static pair => pair.Key,
        static pair => pair.Value switch
        {
            null => true,
            bool or string or double => pair.Value,
            IEnumerable list => list.Cast<object>().Select(static each => (object)Convert.ToString(each, CultureInfo.InvariantCulture)!).ToArray(),
            IConvertible number => Convert.ToInt64(number, CultureInfo.InvariantCulture),
            _ => Convert.ToString(pair.Value, CultureInfo.InvariantCulture)!,
        },
        StringComparer.Ordinal);

    private static Dictionary<string, object?> Read(Hashtable table)
    {
        var options = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in table)
        {
            string name = Convert.ToString(entry.Key, CultureInfo.InvariantCulture) ?? string.Empty;
            options[name] = Unwrap(entry.Value);
        }

        return options;
    }

    private static object? Unwrap(object? value)
    {
        object? inner = value is PSObject wrapped ? wrapped.BaseObject : value;
        return inner is SwitchParameter flag ? flag.ToBool() : inner;
    }
}
