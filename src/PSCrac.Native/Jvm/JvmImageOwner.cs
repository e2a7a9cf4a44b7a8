using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>
/// Tells whether an image is of one JVM, where several may write to one folder: by the pid, and by the address of the command
/// line, which the kernel chooses at random and criu keeps.
/// </summary>
internal sealed partial class JvmImageOwner
{
    private const int ArgumentsStartField = 48; // arg_start of /proc/PID/stat, proc_pid_stat(5); 0 where it may not be read
    private const int MaximumHead = 16 << 10;

    private readonly int _processId;
    private readonly ulong _argumentsStart;

    private JvmImageOwner(int processId, bool hasPidOfHost, ulong argumentsStart)
    {
        HasPidOfHost = hasPidOfHost;
        _processId = processId;
        _argumentsStart = argumentsStart;
    }

    /// <summary>Whether the JVM is in this process's own pid namespace.</summary>
    internal bool HasPidOfHost { get; }

    /// <summary>Reads what tells a JVM from others.</summary>
    internal static JvmImageOwner Of(JvmProcess jvm, ProcessDirectory process)
    {
        ulong start = 0;
        if (process.TryRead("stat", out ProcText text))
        {
            using (text)
            {
                string line = System.Text.Encoding.Latin1.GetString(text.Bytes);
                string[] fields = line[(line.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);

                // The first of these is field 3.
                _ = fields.Length > ArgumentsStartField - 3 && ulong.TryParse(fields[ArgumentsStartField - 3], CultureInfo.InvariantCulture, out start);
            }
        }

        return new JvmImageOwner(jvm.InnerProcessId, jvm.InnerProcessId == jvm.ProcessId, start);
    }

    /// <summary>Whether an image is of this JVM.</summary>
    /// <param name="directory">A directory that criu writes, or has written, to.</param>
    /// <returns>Null where its files do not tell (yet).</returns>
    internal bool? Wrote(FolderHandle directory)
    {
        try
        {
            if (JvmImage.HasInventory(directory))
            {
                CracImage image = CracImage.Open(new DirectoryImageSource(directory));
                return image.RootProcessId == _processId && (_argumentsStart == 0 || ReadArgumentsStart(image) == _argumentsStart);
            }
        }
        catch (Exception e) when (e is CracException or IOException or UnauthorizedAccessException)
        {
            // Damaged, or not to be read: then criu's log is left.
        }

        return ReadDumpedProcess(directory) is { } dumped && dumped != _processId ? false : null;
    }

    /// <summary>Whether criu's log in a directory is of a dump of this JVM's pid.</summary>
    internal bool IsNamedInLog(FolderHandle directory) => ReadDumpedProcess(directory) == _processId;

    private ulong ReadArgumentsStart(CracImage image)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"mm-{_processId}.img");
        if (image.Source.Contains(name))
        {
            foreach (CracImageEntry entry in new ImageContentReader(image, payloadLimit: 0).ReadFile(name))
            {
                if (entry.TryGetValue("mm_arg_start", out object? value))
                {
                    return Convert.ToUInt64(value, CultureInfo.InvariantCulture);
                }
            }
        }

        return 0;
    }

    // "Dumping processes (pid: 4711 comm: java)" is among the first lines at -v4.
    private static int? ReadDumpedProcess(FolderHandle directory)
    {
        using SafeFileHandle log = directory.OpenToRead(JvmImageDirectory.LogName, out Errno errno);
        if (errno != 0)
        {
            return null;
        }

        byte[] head = new byte[MaximumHead];
        int length = RandomAccess.Read(log, head, 0);
        Match match = Dumping().Match(System.Text.Encoding.Latin1.GetString(head, 0, length));
        return match.Success ? int.Parse(match.Groups["pid"].ValueSpan, CultureInfo.InvariantCulture) : null;
    }

    [GeneratedRegex(@"Dumping processes \(pid: (?<pid>\d{1,9})\b")]
    private static partial Regex Dumping();
}
