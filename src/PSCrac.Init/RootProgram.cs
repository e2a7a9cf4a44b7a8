using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Init;

/// <summary>
/// The program that a namespace is made for, where it is started in it rather than restored. It is described by a file of
/// strings, each ended by a null: its path, its directory, the files for its standard input, output and error, the number
/// of its arguments, these, and its environment. The files are opened here, since criu cannot look up in the namespace's
/// mounts what was opened before they were made.
/// </summary>
internal static class RootProgram
{
    private const int Fixed = 6;

    /// <summary>Starts it, as a child of this process.</summary>
    /// <param name="description">The descriptor of the file of strings, which is closed.</param>
    /// <param name="pid">The program.</param>
    internal static Errno Start(int description, out int pid)
    {
        pid = 0;
        string[] strings = Read(description);
        int count = int.Parse(strings[Fixed - 1], System.Globalization.CultureInfo.InvariantCulture);
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
            strings[Fixed..(Fixed + count)],
            strings[(Fixed + count)..],
            [(input, 0), (output, 1), (isShared ? output : error, 2)],
            blockedSignals: [],
            defaultSignals: LibC.NamedSignals,
            out pid,
            ownSession: true,
            workingDirectory: strings[1].Length > 0 ? strings[1] : null,
            closed: LibC.OwnDescriptors());
    }

    private static string[] Read(int descriptor)
    {
        using var file = new SafeFileHandle(descriptor, ownsHandle: true);
        byte[] text = new byte[RandomAccess.GetLength(file)];
        for (int read = 0; read < text.Length;)
        {
            read += RandomAccess.Read(file, text.AsSpan(read), read);
        }

        // The last string is ended too, so the last piece is none.
        return Encoding.UTF8.GetString(text).Split('\0')[..^1];
    }
}
