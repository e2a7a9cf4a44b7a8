using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// One process's directory in proc, held open. Everything read through it belongs to the same process: once that
/// process is gone, reads fail even if its pid has been given to another one.
/// </summary>
internal sealed class ProcessDirectory : IDisposable
{
    private readonly SafeFileHandle _handle;

    private ProcessDirectory(int processId, SafeFileHandle handle)
    {
        ProcessId = processId;
        _handle = handle;
    }

    internal int ProcessId { get; }

    /// <summary>Opens a process's directory; null when no process has this pid, or proc hides it (hidepid, proc(5)).</summary>
    internal static ProcessDirectory? TryOpen(int processId)
    {
        if (processId <= 0)
        {
            return null;
        }

        SafeFileHandle handle = LibC.Open(
            $"/proc/{processId}", LibC.O_RDONLY | LibC.O_DIRECTORY, out _);
        if (handle.IsInvalid)
        {
            handle.Dispose();
            return null;
        }

        return new ProcessDirectory(processId, handle);
    }

    /// <summary>Reads one file of the process. False when the process is gone, the kernel has no such file, or refuses it.</summary>
    internal bool TryRead(string name, out ProcText text, int expectedLength = 4096) =>
        TryRead(name, out text, out _, expectedLength);

    /// <summary>As above, and <paramref name="error"/> is the errno of the failure, 0 without one.</summary>
    internal bool TryRead(string name, out ProcText text, out Errno error, int expectedLength = 4096)
    {
        using SafeFileHandle file = LibC.OpenAt(_handle, name, LibC.O_RDONLY, out error);
        if (file.IsInvalid)
        {
            text = default;
            return false;
        }

        return ProcText.TryRead(file, expectedLength, out text, out error);
    }

    /// <summary>Opens one file of the process for reading; the handle is invalid when the process is gone or refuses.</summary>
    internal SafeFileHandle Open(string name) => LibC.OpenAt(_handle, name, LibC.O_RDONLY, out _);

    /// <summary>The text of a link such as exe, cwd or fd/3; null when there is none, or it may not be read.</summary>
    internal string? ReadLink(string name) => ReadLink(name, out _);

    /// <summary>As above, and <paramref name="error"/> is the errno of the failure, 0 without one.</summary>
    internal string? ReadLink(string name, out Errno error)
    {
        // Longer than PATH_MAX: the kernel adds " (deleted)".
        Span<byte> buffer = stackalloc byte[4096 + 16];
        int length = LibC.ReadLinkAt(_handle, name, buffer, out error);
        return length < 0 ? null : Encoding.UTF8.GetString(buffer[..length]);
    }

    /// <summary>The status of what an entry such as exe or fd/3 leads to; false when it is gone or may not be looked at.</summary>
    internal bool TryStat(string name, out FileStatus status) =>
        FileStatus.TryReadAt(_handle, name, flags: 0, out status, out _);

    /// <summary>
    /// The numbers that name the entries of a directory such as fd or task, in the kernel's order.
    /// Null when the process is gone or the directory may not be read.
    /// </summary>
    internal List<int>? ReadNumbers(string name)
    {
        using SafeFileHandle directory = LibC.OpenAt(_handle, name, LibC.O_RDONLY | LibC.O_DIRECTORY, out _);
        return ReadNumbers(directory);
    }

    /// <summary>The pids of all processes; null when proc cannot be read.</summary>
    internal static List<int>? ReadProcessIds()
    {
        using SafeFileHandle directory = LibC.Open("/proc", LibC.O_RDONLY | LibC.O_DIRECTORY, out _);
        return ReadNumbers(directory);
    }

    /// <summary>
    /// Reads the entries by the system call itself: the base library would follow each link to see whether it leads to a directory,
    /// and what the descriptors of another process lead to may be a file server that does not answer.
    /// </summary>
    private static List<int>? ReadNumbers(SafeFileHandle directory)
    {
        var numbers = new List<int>();
        return Enumerate(directory, numbers, static (name, numbers) =>
        {
            if (Utf8Parser.TryParse(name, out int number, out int used) && used == name.Length)
            {
                numbers.Add(number);
            }
        }) ? numbers : null;
    }

    /// <summary>The names of a directory's entries other than . and ..; null when it cannot be read.</summary>
    internal static List<string>? ReadNames(SafeFileHandle directory)
    {
        var names = new List<string>();
        return Enumerate(directory, names, static (name, names) =>
        {
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                names.Add(Encoding.UTF8.GetString(name));
            }
        }) ? names : null;
    }

    private delegate void EntryHandler<T>(ReadOnlySpan<byte> name, List<T> found);

    private static bool Enumerate<T>(SafeFileHandle directory, List<T> found, EntryHandler<T> handler)
    {
        const int LengthOffset = 16;
        const int NameOffset = 19;
        if (directory.IsInvalid)
        {
            return false;
        }

        Span<byte> buffer = stackalloc byte[8192];
        int length;
        while ((length = LibC.ReadEntries(directory, buffer)) > 0)
        {
            ReadOnlySpan<byte> entries = buffer[..length];
            while (entries.Length > NameOffset)
            {
                ReadOnlySpan<byte> name = entries[NameOffset..];
                handler(name[..name.IndexOf((byte)0)], found);
                entries = entries[MemoryMarshal.Read<ushort>(entries[LengthOffset..])..];
            }
        }

        return length == 0;
    }

    public void Dispose() => _handle.Dispose();
}
