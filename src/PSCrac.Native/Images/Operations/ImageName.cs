using System.Globalization;
using System.Text;

namespace PSCrac.Images.Operations;

/// <summary>What a new image may be called. Images that are there are found under any name.</summary>
internal static class ImageName
{
    /// <summary>How the names begin that PSCrac gives to what it moves aside or has not finished.</summary>
    internal const string StagingPrefix = ".pscrac-";

    // What a file name may have on Linux (NAME_MAX).
    private const int LongestBytes = 255;

    /// <summary>Why an image cannot be called so, as the end of a sentence; null where it can.</summary>
    /// <param name="name">The name.</param>
    internal static string? FindFault(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Length == 0 || name.AsSpan().Trim().Length != name.Length ? "it is empty, or begins or ends with a blank"
            : name is "." or ".." or "~" ? "it stands for another folder"
            : name.AsSpan().ContainsAny('/', '\\') ? "it has a slash or a backslash, which PowerShell takes for a folder's end"
            : name[0] == '-' ? "it begins with a dash, as parameters do"
            : name.StartsWith(StagingPrefix, StringComparison.Ordinal) ? $"PSCrac calls unfinished images {StagingPrefix}… and takes them away"
            : HasUnprintable(name) ? "it has a control character, a line break or half of a character"
            : Encoding.UTF8.GetByteCount(name) > LongestBytes ? $"it is longer than {LongestBytes} bytes"
            : null;
    }

    /// <summary>The name of a process's image where nobody gave one: the command's and the pid. It is always a good one.</summary>
    /// <param name="command">The command's name.</param>
    /// <param name="processId">The process's pid.</param>
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
        // Half of a surrogate pair shows as the replacement character, and would be written as one.
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
