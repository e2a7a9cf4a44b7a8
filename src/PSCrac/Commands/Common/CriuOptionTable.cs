using System.Collections;
using System.Globalization;
using System.Management.Automation;

namespace PSCrac.Commands.Common;

/// <summary>The -CriuOption hashtable as the engine takes it.</summary>
internal static class CriuOptionTable
{
    internal static Dictionary<string, object?> From(Hashtable table)
    {
        var options = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in table)
        {
            object? value = entry.Value is PSObject wrapped ? wrapped.BaseObject : entry.Value;
            options[Convert.ToString(entry.Key, CultureInfo.InvariantCulture) ?? string.Empty] = value is SwitchParameter flag ? flag.ToBool() : value;
        }

        return options;
    }
}
