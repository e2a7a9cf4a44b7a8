using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Start;

/// <summary>
/// The program to start as the root of the namespace, if it is not restored. It is described by a file of
/// null-terminated strings: its path, its directory, the files for its standard input, output and error, the number
/// of its arguments, the arguments, and its environment. The files are opened here, because criu cannot find files in the namespace's
/// mounts that were opened before the mount namespace was created.
/// </summary>
internal static class RootProgram
{
    private const int FixedCount = 6;

    /// <summary>Starts the program as a child of this process.</summary>
    /// <param name="description">The descriptor of the file of strings, which is closed.</param>
    /// <param name="pid">The program's pid.</param>
    internal static Errno Start(int description, out int pid)
    {
        pid = 0;
        string[] strings = Read(description);
        int count = int.Parse(strings[FixedCount - 1], System.Globalization.CultureInfo.InvariantCulture);
        using SafeFileHandle input = LibC.Open(strings[2], LibC.O_RDONLY | LibC.O_NOCTTY, out Errno errno);
        if (errno != 0)
        {
            return errno;
        }

        using SafeFileHandle output = LibC.Open(strings[3], LibC.O_WRONLY | LibC.O_APPEND | LibC.O_NOCTTY, out errno);
        if (errno != 0)
        {
            return errno;
        }

        bool isShared = strings[4] == strings[3];
        using SafeFileHandle error = LibC.Open(isShared ? "/dev/null" : strings[4], LibC.O_WRONLY | LibC.O_APPEND | LibC.O_NOCTTY, out errno);
        return errno != 0 ? errno : LibC.Spawn(
            strings[0],
            strings[FixedCount..(FixedCount + count)],
            strings[(FixedCount + count)..],
            [(input, 0), (output, 1), (isShared ? output : error, 2)],
            blockedSignals: [],
            defaultSignals: LibC.StandardSignals,
            out pid,
            newSession: true,
            workingDirectory: strings[1].Length > 0 ? strings[1] : null,
            closed: LibC.ListDescriptors());
    }

    private static string[] Read(int descriptor)
    {
        using var file = new SafeFileHandle(descriptor, ownsHandle: true);
        byte[] text = new byte[RandomAccess.GetLength(file)];
        for (int read = 0; read < text.Length;)
        {
            read += RandomAccess.Read(file, text.AsSpan(read), read);
        }

        // The last string is terminated too, so the last part is empty.
        return Encoding.UTF8.GetString(text).Split('\0')[..^1];
    }
}
