using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Criu;

/// <summary>Reads the reason of a failure from criu's log file.</summary>
internal static class CriuLog
{
    private const int MaximumTail = 1 << 20;
    private const int MaximumLines = 12;

    // A tree may have many processes that have just ended.
    private const int MaximumWarnings = 2;

    /// <summary>
    /// The error lines in their order, without time stamps. Harmless lines are left out: criu reports RLIMIT_NOFILE whenever it
    /// lacks CAP_SYS_RESOURCE, and continues.
    /// </summary>
    /// <param name="folder">The folder of the log.</param>
    /// <param name="name">The log; a file that does not exist has no lines.</param>
    internal static IReadOnlyList<string> ReadErrors(FolderHandle folder, string name)
    {
        using SafeFileHandle log = folder.OpenToRead(name, out Errno errno);
        if (errno != 0)
        {
            return [];
        }

        using FileStream file = new(log, FileAccess.Read);
        if (file.Length > MaximumTail)
        {
            // A -v4 log of a huge tree has many megabytes, and the failure is near its end.
            file.Seek(-MaximumTail, SeekOrigin.End);
        }

        using StreamReader reader = new(file, Encoding.UTF8);
        var lines = new List<string>();
        int warnings = 0;
        while (lines.Count < MaximumLines && reader.ReadLine() is { } line)
        {
            if (IsError(line) && !IsIgnored(line) && (!IsWarning(line) || warnings++ < MaximumWarnings))
            {
                lines.Add(RemoveTimestamp(line));
            }
        }

        return lines;
    }

    /// <summary>The pids that criu stopped for a dump, as seen in its pid namespace; empty if it stopped none, or the log does not say.</summary>
    /// <param name="folder">The folder of the log.</param>
    /// <param name="name">The log.</param>
    internal static IReadOnlyList<int> ReadStopped(FolderHandle folder, string name)
    {
        const string Label = "Seized task ";
        using SafeFileHandle log = folder.OpenToRead(name, out Errno errno);
        var stopped = new List<int>();
        if (errno != 0)
        {
            return stopped;
        }

        using StreamReader reader = new(new FileStream(log, FileAccess.Read), Encoding.UTF8);
        while (reader.ReadLine() is { } line)
        {
            int start = line.IndexOf(Label, StringComparison.Ordinal) + Label.Length;
            int end = start < Label.Length ? -1 : line.IndexOf(',', start);
            if (end > 0 && int.TryParse(line.AsSpan(start, end - start), NumberStyles.None, CultureInfo.InvariantCulture, out int id))
            {
                stopped.Add(id);
            }
        }

        return stopped;
    }

    /// <summary>Selects the same lines from the standard error of a worker.</summary>
    /// <param name="text">Its standard error.</param>
    internal static IReadOnlyList<string> SelectErrors(string text)
    {
        var lines = new List<string>();
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (lines.Count < MaximumLines && !IsIgnored(line))
            {
                lines.Add(RemoveTimestamp(line));
            }
        }

        return lines;
    }

    private static bool IsError(string line) =>
        line.Contains("Error (", StringComparison.Ordinal) || line.Contains("BUG at", StringComparison.Ordinal) || IsWarning(line);

    // For a task that cannot be stopped criu logs only a warning, and the errors that follow do not give the reason.
    private static bool IsWarning(string line) => line.Contains("Unable to interrupt task: ", StringComparison.Ordinal);

    private static bool IsIgnored(string line) =>
        line.Contains("rlimit: Can't setup RLIMIT_NOFILE for self", StringComparison.Ordinal)
        || line.Contains("Can't keep kdat cache on non-tempfs", StringComparison.Ordinal)
        || line.Contains("Can't load /run/criu.kdat", StringComparison.Ordinal);

    // "(00.012345)   1234: Error (criu/x.c:12): text": removes the time and keeps the pid, if there is one.
    private static string RemoveTimestamp(string line)
    {
        int close = line.StartsWith('(') ? line.IndexOf(')') : -1;
        return close < 0 ? line.Trim() : line[(close + 1)..].Trim();
    }
}
