namespace PSCrac.Tests.Support;

/// <summary>A folder of a test's own, gone with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string FullPath { get; } = Directory.CreateTempSubdirectory("pscrac-test-").FullName;

    /// <summary>A path inside the folder. Nothing is made.</summary>
    internal string At(string name) => Path.Combine(FullPath, name);

    /// <summary>What is in the folder, by name: what a checkpoint must have left alone, or cleaned up.</summary>
    internal string[] Names() => [.. Directory.GetFileSystemEntries(FullPath).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(FullPath, recursive: true);
}
