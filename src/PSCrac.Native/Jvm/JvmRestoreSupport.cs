using PSCrac.Options;

namespace PSCrac.Jvm;

/// <summary>
/// What a caller wants of a JVM's restore that only one of the two ways can do, by the names of the cmdlets' parameters.
/// What is asked for is done or refused, and never passed over.
/// </summary>
internal static class JvmRestoreSupport
{
    /// <summary>What only java can do.</summary>
    internal static List<string> OfJava(JvmRestoreRequest request) => Given(
    [
        ("-MainClass", request.MainClass is not null),
        ("-ArgumentList", request.Arguments.Count > 0),
        ("-Property", request.Properties.Count > 0),
        ("-JavaPath", request.JavaPath is not null),
        (string.Join(' ', request.JavaOptions), request.JavaOptions.Count > 0),
    ]);

    /// <summary>What only criu can do. The engine of a JVM passes --shell-job to its criu, and nothing that a caller could choose.</summary>
    internal static List<string> OfCriu(JvmRestoreRequest request) =>
    [.. Given(
    [
        ("-PidNamespace New", request.PidNamespace == CracPidNamespace.New),
        ("-StandardInputPath", request.Files.StandardInputPath is not null),
        ("-StandardOutputPath", request.Files.StandardOutputPath is not null),
        ("-StandardErrorPath", request.Files.StandardErrorPath is not null),
        ("-ReplaceFile", request.Files.Replace.Count > 0),
        ("-ReopenGrownFile", request.Files.ReopenGrown),
        ("-CriuOption", request.Options.CriuOption.Count > 0),
    ]), .. OptionsOfCriu(request.Options)];

    /// <summary>Their names in a sentence.</summary>
    internal static string List(List<string> names) =>
        names.Count == 1 ? names[0] : $"{string.Join(", ", names[..^1])} and {names[^1]}";

    private static IEnumerable<string> OptionsOfCriu(RestoreOptions options)
    {
        foreach (OptionRow row in OptionTable.Rows)
        {
            bool isGiven = options.Get(row) is { } value && (row.IsPassedByJava ? value is false : value is not false);
            if (isGiven)
            {
                string name = row.ParameterScope.HasFlag(OptionScope.Restore) ? $"-{row.Parameter}" : row.Name;
                yield return row.IsPassedByJava ? $"{name}:$false" : name;
            }
        }
    }

    private static List<string> Given(ReadOnlySpan<(string Name, bool IsGiven)> wishes)
    {
        var given = new List<string>();
        foreach ((string name, bool isGiven) in wishes)
        {
            if (isGiven)
            {
                given.Add(name);
            }
        }

        return given;
    }
}
