using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const uint RENAME_NOREPLACE = 1;
    internal const uint RENAME_EXCHANGE = 2;

    [LibraryImport(Library, EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat2(SafeHandle fromDirectory, string from, SafeHandle toDirectory, string to, uint flags);

    /// <summary>renameat2(2).</summary>
    internal static Errno Rename(SafeHandle directory, string from, string to, uint flags) => Rename(directory, from, directory, to, flags);

    /// <summary>renameat2(2) from one directory to another.</summary>
    internal static Errno Rename(SafeHandle fromDirectory, string from, SafeHandle toDirectory, string to, uint flags) =>
        Result(renameat2(fromDirectory, from, toDirectory, to, flags));
}
