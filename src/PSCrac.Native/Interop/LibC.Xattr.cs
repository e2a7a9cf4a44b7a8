using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    [LibraryImport(Library, EntryPoint = "getxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint getxattr(string path, string name, byte* value, nuint size);

    /// <summary>
    /// The name of a socket's protocol, such as TCP or UNIX-STREAM, from the extended attribute of sockfs. It exists
    /// also for sockets that no file of /proc/net lists. Null on failure.
    /// </summary>
    internal static string? ReadSocketProtocolName(int processId, int descriptor)
    {
        const int Longest = 64;
        byte* value = stackalloc byte[Longest];
        nint length = getxattr($"/proc/{processId}/fd/{descriptor}", "system.sockprotoname", value, Longest);
        return length <= 0 ? null : System.Text.Encoding.ASCII.GetString(value, (int)length).TrimEnd('\0');
    }
}
