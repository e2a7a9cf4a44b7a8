using PSCrac.Criu;

namespace PSCrac.Tests.Support;

/// <summary>
/// A machine on which some programs are not installed, for as long as this lives: the PATH of this process, and so of every criu
/// that it starts, is one folder with links to all other programs.
/// </summary>
internal sealed class WithoutPrograms : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string? _path = Environment.GetEnvironmentVariable("PATH");
    private readonly IReadOnlyList<string> _systemFolders = CriuPrograms.SystemFolders;

    /// <summary>Hides programs.</summary>
    /// <param name="names">Their names; of iptables also those that begin with iptables-.</param>
    internal WithoutPrograms(params string[] names)
    {
        foreach (string folder in (_path ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Concat(_systemFolders))
        {
            foreach (string program in Directory.Exists(folder) ? Directory.EnumerateFileSystemEntries(folder) : [])
            {
                string name = Path.GetFileName(program);
                if (!Array.Exists(names, hidden => name == hidden || name.StartsWith(hidden + "-", StringComparison.Ordinal)) && !Path.Exists(_folder.At(name)))
                {
                    File.CreateSymbolicLink(_folder.At(name), program);
                }
            }
        }

        Environment.SetEnvironmentVariable("PATH", _folder.FullPath);
        CriuPrograms.SystemFolders = [];
    }

    /// <summary>The folder that is the PATH.</summary>
    internal string Folder => _folder.FullPath;

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("PATH", _path);
        CriuPrograms.SystemFolders = _systemFolders;
        _folder.Dispose();
    }
}
