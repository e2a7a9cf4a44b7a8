namespace PSCrac.HelpBuilder;

internal static class TypeNames
{
    /// <summary>
    /// A type as PowerShell's own syntax names it: without its namespace, and in small letters where PowerShell has a word of its own
    /// for it.
    /// </summary>
    /// <param name="type">The full name of a .NET type.</param>
    public static string Short(string type)
    {
        // PowerShell shows a type that can be null as the type itself.
        const string Nullable = "System.Nullable`1[";
        if (type.StartsWith(Nullable, StringComparison.Ordinal))
        {
            return Short(type[Nullable.Length..^1]);
        }
        var name = type.TrimEnd('[', ']');
        return Word(name) + type[name.Length..];
    }

    private static string Word(string name) => name switch
    {
        "System.String" => "string",
        "System.Int32" => "int",
        "System.Int64" => "long",
        "System.UInt32" => "uint",
        "System.UInt64" => "ulong",
        "System.Boolean" => "bool",
        "System.Byte" => "byte",
        "System.Double" => "double",
        "System.Uri" => "uri",
        "System.Collections.Hashtable" => "hashtable",
        "System.Management.Automation.ScriptBlock" => "scriptblock",
        "System.Management.Automation.SwitchParameter" => "switch",
        _ => name[(name.LastIndexOf('.') + 1)..],
    };
}
