using PSCrac.Images.Operations;

namespace PSCrac.Starting.Services;

/// <summary>Checks the values of a description, which JSON's types do not.</summary>
internal static class ServiceDescriptionCheck
{
    // A unit's name has at most 255 characters, with its extension (systemd.unit(5)).
    private const int MaximumName = 100;
    private const int MaximumPort = 65535;
    private static readonly System.Buffers.SearchValues<char> s_nameCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

    /// <summary>Why a name is not valid for a service, as the end of a sentence; null if it is valid.</summary>
    internal static string? FindNameFault(string name) =>
        ImageName.FindFault(name) is { } fault ? fault
        : name.AsSpan().ContainsAnyExcept(s_nameCharacters) ? "it has characters other than letters, digits, '_', '.' and '-'"
        : name[0] == '.' ? "it begins with a dot"
        : name.Length > MaximumName ? $"it is longer than {MaximumName} characters"
        : null;

    /// <summary>Refuses a name that is not valid.</summary>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>.</exception>
    internal static void RequireName(string name)
    {
        if (FindNameFault(name) is { } fault)
        {
            throw new CracException(CracReason.OptionRefused, $"'{name}' is not a valid name of a service: {fault}.", "Give a short name such as web.");
        }
    }

    /// <summary>What is wrong with a description: a sentence about the field; null if nothing is.</summary>
    internal static string? FindFault(ServiceDescription description) =>
        FindNameFault(description.Name) is { } name ? $"the name is not valid: {name}"
        : description.Format is < 1 or > ServiceDescription.CurrentFormat ? $"format {description.Format} is of a later PSCrac; this one reads {ServiceDescription.CurrentFormat}"
        : description.FilePath.Length == 0 ? "filePath is empty"
        : description.FilePath.Contains('/', StringComparison.Ordinal) && !Path.IsPathRooted(description.FilePath) ? "filePath is neither a full path nor a name without a slash"
        : FindRelativePath(description) is { } path ? $"{path} is not a full path"
        : FindReadyFault(description) ?? FindNumberFault(description);

    private static string? FindRelativePath(ServiceDescription description)
    {
        (string Field, string? Path)[] paths =
        [
            ("workingDirectory", description.WorkingDirectory), ("standardInputPath", description.StandardInputPath),
            ("standardOutputPath", description.StandardOutputPath), ("standardErrorPath", description.StandardErrorPath),
            ("readyFile", description.ReadyFile), ("criuPath", description.CriuPath),
            .. description.DependsOn.Select(static each => ("dependsOn", (string?)each)),
        ];
        foreach ((string field, string? path) in paths)
        {
            if (path is not null && !Path.IsPathRooted(path))
            {
                return field;
            }
        }

        return null;
    }

    private static string? FindReadyFault(ServiceDescription description) =>
        description.ReadyUri is { } ready && !IsWeb(ready) ? "readyUri is no http or https address"
        : description.WarmUpUri.FirstOrDefault(static each => !IsWeb(each)) is { } other ? $"warmUpUri has {other}, which is no http or https address"
        : description.ReadyPort is <= 0 or > MaximumPort ? $"readyPort is not 1 to {MaximumPort}"
        : description.ReadyCommand is { Count: 0 } ? "readyCommand has no program"
        : description.WarmUpCommands.Any(static each => each.Count == 0) ? "warmUpCommands has a command without a program"
        : description.ReadyPattern is not null && description.StandardOutputPath is null && description.StandardErrorPath is null
            ? "readyPattern needs standardOutputPath or standardErrorPath"
        : null;

    private static string? FindNumberFault(ServiceDescription description) =>
        description.ReadyTimeout <= TimeSpan.Zero ? "readyTimeout is not positive"
        : description.WarmUpCount < 1 ? "warmUpCount is below 1"
        : description.CheckpointEvery < TimeSpan.FromSeconds(1) ? "checkpointEvery is less than a second"
        : description.Keep < 1 ? "keep is below 1"
        : description.RestartLimit < 1 ? "restartLimit is below 1"
        : description.RestartWindow <= TimeSpan.Zero ? "restartWindow is not positive"
        : description.MinimumId < 0 ? "minimumId is negative"
        : null;

    private static bool IsWeb(Uri uri) => uri.IsAbsoluteUri && uri.Scheme is "http" or "https";
}
