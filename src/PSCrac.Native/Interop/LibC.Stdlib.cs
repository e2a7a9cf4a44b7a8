using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    /// <summary>unsetenv(3): removes a variable from the environment for execv; .NET's methods change only a copy.</summary>
    [LibraryImport(Library, EntryPoint = "unsetenv", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int UnsetEnvironment(string name);
}
