using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>A folder of root's that a neighbour would have root harm, by a link to it.</summary>
internal sealed class Victim
{
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private readonly string _path;
    private readonly string[] _names;

    /// <summary>Makes it, and the link.</summary>
    /// <param name="folder">The neighbour's folder.</param>
    /// <param name="names">The names of its files: those that root is about to work on.</param>
    internal Victim(TemporaryFolder folder, params string[] names)
    {
        _path = Directory.CreateDirectory(folder.At("victim")).FullName;
        _names = [.. names.Append("precious").Distinct().Order(StringComparer.Ordinal)];
        foreach (string name in _names)
        {
            File.WriteAllText(Path.Combine(_path, name), "precious");
            File.SetUnixFileMode(Path.Combine(_path, name), Mode);
        }

        File.CreateSymbolicLink(folder.At(Link), _path);
    }

    /// <summary>The link's name.</summary>
    internal static string Link => "link";

    /// <summary>Asserts that nothing was added, removed or changed.</summary>
    internal void AssertUnharmed()
    {
        Assert.Equal(_names, Directory.GetFileSystemEntries(_path).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        foreach (string name in _names)
        {
            Assert.Equal("precious", File.ReadAllText(Path.Combine(_path, name)));
            Assert.Equal(Mode, File.GetUnixFileMode(Path.Combine(_path, name)));
        }
    }
}
