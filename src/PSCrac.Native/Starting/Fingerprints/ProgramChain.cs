using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Starting.Fingerprints;

/// <summary>The program that runs in place of another: the interpreter of a script, and the program that env(1) executes.</summary>
internal static class ProgramChain
{
    // BINPRM_BUF_SIZE of the kernel's include/uapi/linux/binfmts.h: the kernel reads no more of the file.
    private const int MaximumFirstLine = 256;
    private const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>The interpreter that a script's first line names, and its arguments; null where the file is not a script (execve(2)).</summary>
    internal static (string Path, IReadOnlyList<string> Arguments)? ReadInterpreter(StartedCommand command, string path, IReadOnlyList<string> arguments)
    {
        if (!FileFingerprint.TryStat(path, out _))
        {
            return null;
        }

        using SafeFileHandle file = LibC.Open(path, LibC.O_RDONLY | LibC.O_NONBLOCK, out Errno errno);
        Span<byte> start = stackalloc byte[MaximumFirstLine];
        int length = errno == Errno.None ? LibC.Read(file, start, out _) : 0;
        if (length < 3 || !start.StartsWith("#!"u8))
        {
            return null;
        }

        ReadOnlySpan<byte> line = start[2..length];
        int end = line.IndexOf((byte)'\n');
        string text = Encoding.UTF8.GetString(end < 0 ? line : line[..end]).Trim(' ', '\t', '\r');
        int blank = text.AsSpan().IndexOfAny(' ', '\t');
        string interpreter = blank < 0 ? text : text[..blank];
        if (interpreter.Length == 0)
        {
            return null;
        }

        // Everything after the interpreter is one argument.
        List<string> all = blank < 0 ? [] : [text[blank..].Trim(' ', '\t')];
        all.Add(path);
        all.AddRange(arguments);
        return (command.GetFullPath(interpreter), all);
    }

    /// <summary>The program that env(1) executes, and its arguments; null where the program is not env.</summary>
    internal static (string Path, IReadOnlyList<string> Arguments)? ReadEnv(StartedCommand command, string path, IReadOnlyList<string> arguments)
    {
        if (Path.GetFileName(path) != "env")
        {
            return null;
        }

        var words = new List<string>(arguments);
        for (int i = 0; i < words.Count; i++)
        {
            string word = words[i];
            if (SplitString(word) is { } text)
            {
                words.InsertRange(i + 1, text.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries));
            }
            else if (word is "-S" or "--split-string" && i + 1 < words.Count)
            {
                words[i + 1] = "-S" + words[i + 1];
            }
            else if (word is "-u" or "--unset" or "-C" or "--chdir")
            {
                i++;
            }
            else if (!word.StartsWith('-') && !word.Contains('=', StringComparison.Ordinal))
            {
                return FindOnPath(command, word) is { } found ? (found, words[(i + 1)..]) : null;
            }
        }

        return null;
    }

    // The string of -S, also after other letters, as in -vS.
    private static string? SplitString(string word) => word switch
    {
        _ when word.StartsWith("--split-string=", StringComparison.Ordinal) => word["--split-string=".Length..],
        ['-', 'S', _, ..] => word[2..],
        ['-', 'v' or 'i', 'S', ..] => word[3..],
        _ => null,
    };

    private static string? FindOnPath(StartedCommand command, string name)
    {
        if (name.Contains('/', StringComparison.Ordinal))
        {
            return command.GetFullPath(name);
        }

        foreach (string folder in (command.GetVariable("PATH") ?? string.Empty).Split(':'))
        {
            string candidate = Path.Join(command.GetFullPath(folder), name);
            if (FileFingerprint.TryStat(candidate, out LibC.Statx status) && ((UnixFileMode)status.Mode & Execute) != 0)
            {
                return candidate;
            }
        }

        return null;
    }
}
