using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Starting.Fingerprints;

/// <summary>A path without symbolic links, as realpath(3) gives it.</summary>
internal static class RealPath
{
    // PATH_MAX, and the mark " (deleted)".
    private const int MaximumLength = 4096 + 16;

    /// <summary>Resolves all symbolic links of a path; null where nothing is there, or it may not be reached.</summary>
    internal static string? Find(string path)
    {
        using SafeFileHandle file = LibC.Open(path, LibC.O_PATH, out Errno errno);
        if (errno != Errno.None)
        {
            return null;
        }

        Span<byte> buffer = stackalloc byte[MaximumLength];
        string link = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{file.DangerousGetHandle()}");
        int length = LibC.ReadLinkAt(LibC.WorkingDirectory, link, buffer, out _);
        return length <= 0 ? null : Encoding.UTF8.GetString(buffer[..length]);
    }
}
