using System.IO.Enumeration;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Procfs;

/// <summary>
/// One process's directory in proc, held open. Everything read through it belongs to the same process: once that
/// process is gone, reads fail even if its pid has been given to another one.
/// </summary>
internal sealed class ProcessDirectory : IDisposable
{
    private static readonly EnumerationOptions s_everything = new() { AttributesToSkip = 0, IgnoreInaccessible = true };

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

        SafeFileHandle handle = ProcfsNative.Open(
            $"/proc/{processId}", ProcfsNative.O_RDONLY | ProcfsNative.O_DIRECTORY, out _);
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
    internal bool TryRead(string name, out ProcText text, out int error, int expectedLength = 4096)
    {
        using SafeFileHandle file = ProcfsNative.OpenAt(_handle, name, ProcfsNative.O_RDONLY, out error);
        if (file.IsInvalid)
        {
            text = default;
            return false;
        }

        return ProcText.TryRead(file, expectedLength, out text, out error);
    }

    /// <summary>Opens one file of the process for reading; the handle is invalid when the process is gone or refuses.</summary>
    internal SafeFileHandle Open(string name) => ProcfsNative.OpenAt(_handle, name, ProcfsNative.O_RDONLY, out _);

    /// <summary>The text of a link such as exe, cwd or fd/3; null when there is none, or it may not be read.</summary>
    internal string? ReadLink(string name) => ReadLink(name, out _);

    /// <summary>As above, and <paramref name="error"/> is the errno of the failure, 0 without one.</summary>
    internal string? ReadLink(string name, out int error)
    {
        // Longer than PATH_MAX: the kernel adds " (deleted)".
        Span<byte> buffer = stackalloc byte[4096 + 16];
        int length = ProcfsNative.ReadLinkAt(_handle, name, buffer, out error);
        return length < 0 ? null : Encoding.UTF8.GetString(buffer[..length]);
    }

    /// <summary>The status of what an entry such as exe or fd/3 leads to; false when it is gone or may not be looked at.</summary>
    internal bool TryStat(string name, out FileStatus status) =>
        ProcfsNative.TryStatAt(_handle, name, flags: 0, out status, out _);

    /// <summary>
    /// The numbers that name the entries of a directory such as fd or task, in the kernel's order.
    /// Null when the process is gone or the directory may not be read.
    /// </summary>
    internal List<int>? ReadNumbers(string name)
    {
        // Through our own descriptor rather than by pid, so that a pid that changes hands is not followed.
        return ReadNumbersOf($"/proc/self/fd/{_handle.DangerousGetHandle()}/{name}");
    }

    /// <summary>The numbers that name the entries of any directory; null when it cannot be read.</summary>
    internal static List<int>? ReadNumbersOf(string path)
    {
        try
        {
            var numbers = new List<int>();
            var entries = new FileSystemEnumerable<int>(path, static (ref FileSystemEntry entry) => int.Parse(entry.FileName), s_everything)
            {
                ShouldIncludePredicate = static (ref FileSystemEntry entry) => char.IsAsciiDigit(entry.FileName[0]) && int.TryParse(entry.FileName, out _),
            };
            foreach (int number in entries)
            {
                numbers.Add(number);
            }

            return numbers;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Dispose() => _handle.Dispose();
}
