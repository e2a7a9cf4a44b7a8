using System.Text;

namespace PSCrac.Common;

/// <summary>A file that a program writes its output to, read from where it ended before the program was started.</summary>
internal sealed class OutputFile(string path)
{
    private const int MaximumRead = 256 * 1024;
    private long _start;
    private long _position;
    private string _unfinished = string.Empty;

    /// <summary>What is in the file now is not the program's.</summary>
    internal void SkipToEnd() => _start = _position = File.Exists(path) ? new FileInfo(path).Length : 0;

    /// <summary>The lines that have come since the last call. One that is not finished is given, and given again when it is longer.</summary>
    internal List<string> ReadNewLines()
    {
        string text = Read(_position, out long end);
        if (text.Length == 0)
        {
            return [];
        }

        _position = end;
        var lines = new List<string>((_unfinished + text).Split('\n'));
        _unfinished = lines[^1].Length > MaximumRead ? string.Empty : lines[^1];
        return lines;
    }

    /// <summary>The last lines that the program has written, without empty ones.</summary>
    internal List<string> ReadLastLines(int count)
    {
        const int MaximumTail = 8 * 1024;
        long length = File.Exists(path) ? new FileInfo(path).Length : 0;
        string text = Read(Math.Max(_start, length - MaximumTail), out _);
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return [.. lines.TakeLast(count)];
    }

    private string Read(long from, out long end)
    {
        end = from;
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            byte[] buffer = new byte[(int)Math.Clamp(file.Length - from, 0, MaximumRead)];
            int read = RandomAccess.Read(file.SafeFileHandle, buffer, from);
            end = from + read;
            return Encoding.UTF8.GetString(buffer, 0, read);
        }
        catch (IOException)
        {
            // Not there yet, or taken away by a log's rotation.
            return string.Empty;
        }
    }
}
