using System.Globalization;
using System.Text;

namespace PSCrac.Images.Operations;

/// <summary>Checks the name of a new image. Existing images are found under any name.</summary>
internal static class ImageName
{
    /// <summary>The prefix of PSCrac's names for unfinished and replaced images.</summary>
    internal const string StagingPrefix = ".pscrac-";

    // The limit for a file name on Linux (NAME_MAX).
    private const int MaximumBytes = 255;

    /// <summary>Why a name is not valid for an image, as the end of a sentence; null if it is valid.</summary>
    /// <param name="name">The name to check.</param>
    internal static string? FindFault(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Length == 0 || name.AsSpan().Trim().Length != name.Length ? "it is empty, or begins or ends with white space"
            : name is "." or ".." or "~" ? "it refers to another folder"
            : name.AsSpan().ContainsAny('/', '\\') ? "it contains a slash or a backslash, which PowerShell uses as a path separator"
            : name[0] == '-' ? "it begins with a dash, as parameters do"
            : name.StartsWith(StagingPrefix, StringComparison.Ordinal) ? $"PSCrac uses the prefix {StagingPrefix} for unfinished images and removes them"
            : HasUnprintable(name) ? "it contains a control character, a line break or an incomplete surrogate pair"
            : Encoding.UTF8.GetByteCount(name) > MaximumBytes ? $"it is longer than {MaximumBytes} bytes"
            : null;
    }

    /// <summary>The default name for a process's image: command name and pid. It is always valid.</summary>
    /// <param name="command">The command name.</param>
    /// <param name="processId">The pid.</param>
    internal static string ForProcess(string command, int processId)
    {
        ArgumentNullException.ThrowIfNull(command);
        var name = new StringBuilder();
        foreach (Rune rune in command.EnumerateRunes())
        {
            name.Append(rune.Value is '/' or '\\' || rune == Rune.ReplacementChar || IsUnprintable(rune) ? "_" : rune.ToString());
        }

        string text = string.Create(CultureInfo.InvariantCulture, $"{name}-{processId}");
        return FindFault(text) is null ? text : string.Create(CultureInfo.InvariantCulture, $"process-{processId}");
    }

    private static bool HasUnprintable(string name)
    {
        // An incomplete surrogate pair decodes to the replacement character and would be written as one.
        foreach (Rune rune in name.EnumerateRunes())
        {
            if (rune == Rune.ReplacementChar || IsUnprintable(rune))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsUnprintable(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
