using System.Text;

namespace PSCrac.Criu;

/// <summary>criu's log file, read for why an operation failed.</summary>
internal static class CriuLog
{
    private const int MaximumTail = 1 << 20;
    private const int MaximumLines = 12;

    /// <summary>
    /// The lines that tell of errors, first ones first, without time stamps. Lines that mean nothing are left out:
    /// criu complains of RLIMIT_NOFILE wherever it lacks CAP_SYS_RESOURCE and goes on.
    /// </summary>
    /// <param name="path">The log; a file that is not there has no lines.</param>
    internal static IReadOnlyList<string> ReadErrors(string path)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length > MaximumTail)
        {
            // A -v4 log of a huge tree runs to many megabytes, and what failed stands near its end.
            file.Seek(-MaximumTail, SeekOrigin.End);
        }

        using StreamReader reader = new(file, Encoding.UTF8);
        var lines = new List<string>();
        while (lines.Count < MaximumLines && reader.ReadLine() is { } line)
        {
            if (IsError(line) && !IsIgnored(line))
            {
                lines.Add(RemoveTimestamp(line));
            }
        }

        return lines;
    }

    /// <summary>The same choice of lines from what a worker wrote to its standard error.</summary>
    /// <param name="text">What it wrote.</param>
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

    // A task that cannot be stopped is only a warning to criu, and the errors that follow from it do not tell why.
    private static bool IsError(string line) =>
        line.Contains("Error (", StringComparison.Ordinal)
        || line.Contains("BUG at", StringComparison.Ordinal)
        || line.Contains("Unable to interrupt task: ", StringComparison.Ordinal);

    private static bool IsIgnored(string line) =>
        line.Contains("rlimit: Can't setup RLIMIT_NOFILE for self", StringComparison.Ordinal)
        || line.Contains("Can't keep kdat cache on non-tempfs", StringComparison.Ordinal)
        || line.Contains("Can't load /run/criu.kdat", StringComparison.Ordinal);

    // "(00.012345)   1234: Error (criu/x.c:12): text": the time goes, the pid, where there is one, stays.
    private static string RemoveTimestamp(string line)
    {
        int close = line.StartsWith('(') ? line.IndexOf(')') : -1;
        return close < 0 ? line.Trim() : line[(close + 1)..].Trim();
    }
}
