using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    /// <summary>unsetenv(3): takes a variable out of what the next program of this process gets, which .NET's own calls do not.</summary>
    [LibraryImport(Library, EntryPoint = "unsetenv", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int UnsetEnvironment(string name);
}
