using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Criu;

/// <summary>
/// A private directory for one operation, with criu's log, its statistics and the configuration file of the call. It is removed
/// after success. After a failure it is kept for its log, up to a maximum number of such directories.
/// </summary>
internal sealed class CriuWorkDirectory : IDisposable
{
    /// <summary>The environment variable that names the parent folder of these directories.</summary>
    internal const string LogRootVariable = "PSCRAC_LOG_ROOT";

    internal const string LogName = "criu.log";
    private const string ConfigName = "criu.conf";
    private const int MaximumKept = 20;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _operation;
    private readonly string? _configPath;
    private bool _isOutsideRoot;
    private bool _keep;

    private CriuWorkDirectory(string operation, string path, bool isOutsideRoot, SafeFileHandle handle, string? configPath)
    {
        _operation = operation;
        DirectoryPath = path;
        _isOutsideRoot = isOutsideRoot;
        Handle = handle;
        _configPath = configPath;
    }

    /// <summary>Its path: in the log root or, until it is kept, outside of it.</summary>
    internal string DirectoryPath { get; private set; }

    internal SafeFileHandle Handle { get; }

    internal string? ConfigPath => _configPath;

    internal string LogPath => Path.Combine(DirectoryPath, LogName);

    /// <summary>Creates the directory.</summary>
    /// <param name="operation">A part of its name, such as "checkpoint-1234".</param>
    /// <param name="config">The text of the configuration file; null for none.</param>
    /// <param name="watched">The folders that the checkpointed tree watches; null for none.</param>
    internal static CriuWorkDirectory Create(string operation, string? config, WatchedFolders? watched = null)
    {
        string? outside = null;
        SafeFileHandle? handle = watched is not null && watched.Watches(Path.GetFullPath(Root)) ? CreateOutsideRoot(watched, out outside) : null;
        string path = outside ?? CreateInRoot(operation);
        if (handle is null)
        {
            handle = LibC.Open(path, LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_NOFOLLOW, out Errno errno);
            if (errno != 0)
            {
                handle.Dispose();
                throw new CracException(
                    CracReason.PermissionDenied, $"The folder {path} for criu's log could not be opened: {LibC.Message(errno)}.", $"Name another with {LogRootVariable}.");
            }
        }

        var made = new CriuWorkDirectory(operation, path, outside is not null, handle, config is null ? null : Path.Combine(path, ConfigName));
        try
        {
            made.WriteConfiguration(config);
            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    private void WriteConfiguration(string? config)
    {
        if (config is null)
        {
            return;
        }

        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        using var writer = new StreamWriter(_configPath!, options);
        writer.Write(config);
    }

    /// <summary>Keeps the directory, without the configuration file, and removes the oldest ones.</summary>
    /// <returns>The log's path; null if criu wrote none.</returns>
    internal string? Keep()
    {
        bool hasLog = File.Exists(LogPath) && new FileInfo(LogPath).Length > 0;
        _keep = hasLog;
        if (_configPath is not null)
        {
            File.Delete(_configPath);
        }

        if (hasLog && _isOutsideRoot)
        {
            MoveToRoot();
        }

        if (hasLog && !_isOutsideRoot)
        {
            RemoveOldest(Path.GetDirectoryName(DirectoryPath)!);
        }

        return hasLog ? LogPath : null;
    }

    public void Dispose()
    {
        Handle.Dispose();
        if (!_keep)
        {
            TryDelete(DirectoryPath);
        }
    }

    private static string Root =>
        Environment.GetEnvironmentVariable(LogRootVariable) is { Length: > 0 } named ? named : Path.Combine(StateDirectory.Path, "logs");

    private static string RequireRoot()
    {
        string root = Root;
        try
        {
            Directory.CreateDirectory(root, Private);
            return root;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CracException(
                CracReason.PermissionDenied,
                $"The folder {root}, where criu's logs are kept, could not be created: {e.Message}",
                $"Name a folder that you may write to with {LogRootVariable}.",
                e);
        }
    }

    private static string CreateInRoot(string operation)
    {
        string root = RequireRoot();
        string stamp = DateTime.UtcNow.ToString("yyyyMMdd-HHmmss-fff", CultureInfo.InvariantCulture);
        string path = Path.Combine(root, $"{stamp}-{operation}-{Path.GetRandomFileName()[..4]}");
        Directory.CreateDirectory(path, Private);
        return path;
    }

    // The image of a tree that watches new folders in the log root would have this directory's path, but the directory is removed.
    private static SafeFileHandle? CreateOutsideRoot(WatchedFolders watched, out string? path)
    {
        foreach (string place in (string[])["/run", "/dev/shm", Path.GetTempPath()])
        {
            if (watched.Watches(place))
            {
                continue;
            }

            // Others may write to these folders, so the name is unpredictable and no link is followed.
            string name = $"pscrac-{Guid.NewGuid():N}";
            using SafeFileHandle parent = LibC.Open(place, LibC.O_RDONLY | LibC.O_DIRECTORY, out Errno errno);
            errno = errno == 0 ? LibC.MakeDirectory(parent, name, (uint)Private) : errno;
            if (errno != 0)
            {
                continue;
            }

            SafeFileHandle made = LibC.OpenAt(parent, name, LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_NOFOLLOW, out errno);
            if (errno == 0)
            {
                path = Path.Combine(place, name);
                return made;
            }

            made.Dispose();
        }

        path = null;
        return null;
    }

    // The checkpoint has failed, so no image has the path. A later image may have it if the program watches the log root; preflight
    // reports it if it is then missing.
    private void MoveToRoot()
    {
        string? kept = null;
        try
        {
            kept = CreateInRoot(_operation);
            File.Move(LogPath, Path.Combine(kept, LogName));
        }
        catch (Exception e) when (e is CracException or IOException or UnauthorizedAccessException)
        {
            // The operation's failure matters more than the place of its log, which stays where it was written.
            if (kept is not null)
            {
                TryDelete(kept);
            }

            return;
        }

        TryDelete(DirectoryPath);
        DirectoryPath = kept;
        _isOutsideRoot = false;
    }

    private static void RemoveOldest(string root)
    {
        // Names begin with the time, so sorting them sorts by age.
        string[] all = Directory.GetDirectories(root);
        Array.Sort(all, StringComparer.Ordinal);
        for (int i = 0; i < all.Length - MaximumKept; i++)
        {
            TryDelete(all[i]);
        }
    }

    private static void TryDelete(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another operation may be removing it as well; a later one removes the rest.
        }
    }
}
