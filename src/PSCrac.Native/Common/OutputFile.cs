using System.Text;

namespace PSCrac.Common;

/// <summary>A file that a program writes its output to, read from its end at the program's start.</summary>
internal sealed class OutputFile(string path)
{
    private const int MaximumRead = 256 * 1024;
    private long _start;
    private long _position;
    private string _unfinished = string.Empty;

    /// <summary>Skips the present content, which is not the program's.</summary>
    internal void SkipToEnd() => _start = _position = File.Exists(path) ? new FileInfo(path).Length : 0;

    /// <summary>
    /// The lines written since the last call. An incomplete line is returned, and returned again when it has become longer.
    /// </summary>
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
            // Not created yet, or removed by log rotation.
            return string.Empty;
        }
    }
}
