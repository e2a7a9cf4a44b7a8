using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>
/// What a JVM writes to its standard output and error from now on, if these are regular files. Older CRaC builds answer every
/// request for a checkpoint with success, and write what failed to their console only.
/// </summary>
internal sealed class JvmConsole : IDisposable
{
    private const int MaximumRead = 1 << 20;

    private readonly List<(SafeFileHandle File, long Start)> _files = [];

    private JvmConsole()
    {
    }

    /// <summary>Whether the console can be read: it cannot if it is a terminal, a pipe or /dev/null.</summary>
    internal bool IsVisible => _files.Count > 0;

    /// <summary>Starts to watch.</summary>
    internal static JvmConsole Watch(int processId)
    {
        var console = new JvmConsole();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (int descriptor in (ReadOnlySpan<int>)[1, 2])
        {
            // Opened anew rather than read through the JVM's own descriptor, whose position would move.
            string path = $"/proc/{processId}/fd/{descriptor}";
            if (!IsRegular(path) || new FileInfo(path).LinkTarget is not { } target || !seen.Add(target))
            {
                continue;
            }

            SafeFileHandle file = LibC.Open(path, LibC.O_RDONLY, out Errno errno);
            if (errno != 0)
            {
                file.Dispose();
                continue;
            }

            console._files.Add((file, RandomAccess.GetLength(file)));
        }

        return console;
    }

    /// <summary>What was written since; of more than 1 MiB, the end.</summary>
    internal string ReadNew()
    {
        var text = new StringBuilder();
        foreach ((SafeFileHandle file, long start) in _files)
        {
            long length = RandomAccess.GetLength(file) - start;
            if (length > 0)
            {
                byte[] buffer = new byte[Math.Min(length, MaximumRead)];
                int read = RandomAccess.Read(file, buffer, start + length - buffer.Length);
                text.Append(Encoding.UTF8.GetString(buffer, 0, read)).Append('\n');
            }
        }

        return text.ToString();
    }

    public void Dispose() => _files.ForEach(static each => each.File.Dispose());

    // A FIFO would block the open until somebody writes.
    private static bool IsRegular(string path) =>
        Procfs.FileStatus.TryRead(path, 0, out Procfs.FileStatus status, out _) && status.Type == Procfs.FileType.Regular;
}
