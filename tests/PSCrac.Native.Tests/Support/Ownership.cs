using System.Runtime.InteropServices;
using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>Gives files to other users, which only root may.</summary>
internal static partial class Ownership
{
    /// <summary>A user whom nobody trusts.</summary>
    internal const int Stranger = 4321;

    /// <summary>Gives a file, a folder or a symbolic link to someone.</summary>
    internal static void Give(string path, int user) => Assert.Equal(0, lchown(path, user, user));

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lchown(string path, int user, int group);
}
