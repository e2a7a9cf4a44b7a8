using PSCrac.Options;

namespace PSCrac.Jvm;

/// <summary>
/// The options of a restore that only criu, or only java, supports, by the names of the cmdlets' parameters. An option that the
/// chosen one does not support is refused, never ignored.
/// </summary>
internal static class JvmRestoreSupport
{
    /// <summary>The given options that only criu supports. A JVM's engine passes --shell-job to its criu, and nothing that a caller chooses.</summary>
    internal static List<string> OfCriu(RestoreRequest request) =>
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

    /// <summary>Refuses options for java, for an image that no JVM took of itself.</summary>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>, with what to leave out.</exception>
    internal static void RequireNothingOfJava(RestoreRequest request)
    {
        if (request.Jvm.Given() is [var name, ..])
        {
            throw new CracException(
                CracReason.OptionRefused, $"{name} is for an image that a CRaC JVM took of itself, and this is none.",
                $"Leave out {name}: a process that criu checkpointed goes on with the arguments it had.");
        }
    }

    /// <summary>Refuses a restore by java that java does not support, or that has no java.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="image">The image.</param>
    /// <param name="ofCriu">What <see cref="OfCriu"/> gave.</param>
    /// <returns>The java to restore with.</returns>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>, <see cref="CracReason.JvmNotCapable"/>.</exception>
    internal static string RequireJava(RestoreRequest request, JvmImage image, List<string> ofCriu)
    {
        JvmRestoreOptions asked = request.Jvm;
        if (ofCriu.Count > 0)
        {
            List<string> ofJava = asked.Given();
            throw new CracException(
                CracReason.OptionRefused,
                $"java restores its image itself, and cannot be told of {List(ofCriu)}."
                    + (ofJava.Count > 0 ? $" criu can, but not do what {List(ofJava)} asks for." : string.Empty),
                ofJava.Count > 0 ? $"Leave out {List(ofCriu)}, or {List(ofJava)}." : $"Use -Engine Criu, or leave out {List(ofCriu)}.");
        }

        if (image.FindJava(asked.JavaPath) is not { } java)
        {
            string where = asked.JavaPath ?? (image.Home is null ? "a java that the image does not name" : Path.Combine(image.Home, "bin", "java"));
            throw new CracException(
                CracReason.JvmNotCapable, $"The image is to be restored by {where}, which is not there or does not know CRaC.",
                "Install the runtime that made the image at the same place, give -JavaPath its java, or use -Engine Criu.");
        }

        return asked.MainClass is not null || asked.Arguments.Count == 0 ? java : throw new CracException(
            CracReason.OptionRefused, "New arguments are those of a new main class, and none is named.",
            "Give -MainClass the class whose main method is to be called with them.");
    }

    // Their names in a sentence.
    private static string List(List<string> names) =>
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
