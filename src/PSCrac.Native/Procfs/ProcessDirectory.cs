using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// An open handle to a process's directory in proc. All reads through it refer to the same process: after that
/// process has ended, reads fail even if its pid was reused.
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

    /// <summary>Opens a process's directory; null if no process has this pid or proc hides it (hidepid, proc(5)).</summary>
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

    /// <summary>Reads a file of the process. False if the process has ended, the kernel has no such file, or access is denied.</summary>
    internal bool TryRead(string name, out ProcText text, int expectedLength = 4096) =>
        TryRead(name, out text, out _, expectedLength);

    /// <summary>As the overload above; <paramref name="error"/> is the errno, 0 on success.</summary>
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

    /// <summary>Opens a file of the process for reading; the handle is invalid if the process has ended or access is denied.</summary>
    internal SafeFileHandle Open(string name) => LibC.OpenAt(_handle, name, LibC.O_RDONLY, out _);

    /// <summary>Reads the target of a link such as exe, cwd or fd/3; null if there is none or access is denied.</summary>
    internal string? ReadLink(string name) => ReadLink(name, out _);

    /// <summary>As the overload above; <paramref name="error"/> is the errno, 0 on success.</summary>
    internal string? ReadLink(string name, out Errno error)
    {
        // Longer than PATH_MAX: the kernel adds " (deleted)".
        Span<byte> buffer = stackalloc byte[4096 + 16];
        int length = LibC.ReadLinkAt(_handle, name, buffer, out error);
        return length < 0 ? null : Encoding.UTF8.GetString(buffer[..length]);
    }

    /// <summary>Reads the status of the target of an entry such as exe or fd/3; false if it does not exist or access is denied.</summary>
    internal bool TryStat(string name, out FileStatus status) =>
        FileStatus.TryReadAt(_handle, name, flags: 0, out status, out _);

    /// <summary>
    /// Reads the numeric names in a directory such as fd or task, in the kernel's order.
    /// Null if the process has ended or access is denied.
    /// </summary>
    internal List<int>? ReadNumbers(string name)
    {
        using SafeFileHandle directory = LibC.OpenAt(_handle, name, LibC.O_RDONLY | LibC.O_DIRECTORY, out _);
        return ReadNumbers(directory);
    }

    /// <summary>Reads the pids of all processes; null if proc cannot be read.</summary>
    internal static List<int>? ReadProcessIds()
    {
        using SafeFileHandle directory = LibC.Open("/proc", LibC.O_RDONLY | LibC.O_DIRECTORY, out _);
        return ReadNumbers(directory);
    }

    /// <summary>
    /// Reads the entries with the system call: .NET would follow each link to check whether its target is a directory,
    /// and a descriptor of another process may refer to a file server that does not respond.
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

    /// <summary>Reads the names in a directory without . and .., or the first of them; null if it cannot be read.</summary>
    internal static List<string>? ReadNames(SafeFileHandle directory, int maximum = int.MaxValue)
    {
        var names = new List<string>();
        return Enumerate(directory, names, (name, names) =>
        {
            if (names.Count < maximum && !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
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
