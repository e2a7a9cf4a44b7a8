namespace PSCrac.Processes;

/// <summary>
/// The cgroup that criu freezes with its option freeze-cgroup, instead of stopping each thread. A criu that is killed leaves it frozen.
/// </summary>
internal sealed class FrozenCgroup
{
    // A cgroup has one of them, by its version, with this word for one that is not frozen.
    private static readonly (string File, string Thawed)[] s_kinds = [("cgroup.freeze", "0"), ("freezer.state", "THAWED")];

    private readonly (string Path, string Thawed)[] _thawed;

    private FrozenCgroup((string Path, string Thawed)[] thawed) => _thawed = thawed;

    /// <summary>Reads its state before the checkpoint.</summary>
    /// <param name="folder">Its folder; null for none.</param>
    internal static FrozenCgroup Read(string? folder) =>
        new(folder is null ? [] : [.. from kind in s_kinds let path = Path.Combine(folder, kind.File) where ReadState(path) == kind.Thawed select (path, kind.Thawed)]);

    /// <summary>Thaws it, if it was not frozen before.</summary>
    internal void Thaw()
    {
        foreach ((string path, string thawed) in _thawed)
        {
            try
            {
                File.WriteAllText(path, thawed);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It was removed meanwhile, or belongs to another user.
            }
        }
    }

    private static string? ReadState(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
