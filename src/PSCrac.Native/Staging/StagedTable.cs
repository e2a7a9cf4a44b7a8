using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Staging;

/// <summary>Replaces small tables of a staged image.</summary>
internal static class StagedTable
{
    internal const string Files = "files.img";

    /// <summary>Replaces the content of a file that criu has written.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    internal static void Replace(FolderHandle folder, string name, MemoryStream content) => Write(folder, name, content, LibC.O_WRONLY);

    /// <summary>Writes a file that criu has left out.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    internal static void Create(FolderHandle folder, string name, MemoryStream content) => Write(folder, name, content, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL);

    private static void Write(FolderHandle folder, string name, MemoryStream content, int flags)
    {
        const uint PrivateFile = 0x180; // 0600
        using SafeFileHandle file = folder.Open(name, flags, out Errno errno, PrivateFile);
        if (errno != 0)
        {
            throw new IOException($"{name}: {LibC.Message(errno)}");
        }

        using var stream = new FileStream(file, FileAccess.Write, bufferSize: 0);
        content.WriteTo(stream);
        stream.SetLength(content.Length);
    }
}
