using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Criu;

/// <summary>
/// A private directory for one operation: criu's log, its statistics and the configuration file made for the call.
/// It goes when the operation went well and stays, the newest few of them, when it failed, for its log to be read.
/// </summary>
internal sealed class CriuWorkDirectory : IDisposable
{
    /// <summary>The environment variable that names the folder these directories are made in.</summary>
    internal const string LogRootVariable = "PSCRAC_LOG_ROOT";

    internal const string LogName = "criu.log";
    private const string ConfigName = "criu.conf";
    private const int MostKept = 20;
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string? _configPath;
    private bool _keep;

    private CriuWorkDirectory(string path, SafeFileHandle handle, string? configPath)
    {
        DirectoryPath = path;
        Handle = handle;
        _configPath = configPath;
    }

    internal string DirectoryPath { get; }

    internal SafeFileHandle Handle { get; }

    internal string? ConfigPath => _configPath;

    internal string LogPath => Path.Combine(DirectoryPath, LogName);

    /// <summary>Makes the directory.</summary>
    /// <param name="operation">A word for its name, such as "checkpoint-1234".</param>
    /// <param name="config">The text of the configuration file; null for none.</param>
    internal static CriuWorkDirectory Create(string operation, string? config)
    {
        string root = RequireRoot();
        string stamp = DateTime.UtcNow.ToString("yyyyMMdd-HHmmss-fff", CultureInfo.InvariantCulture);
        string path = Path.Combine(root, $"{stamp}-{operation}-{Path.GetRandomFileName()[..4]}");
        Directory.CreateDirectory(path, Private);
        SafeFileHandle handle = LibC.OpenAt(null, path, LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_NOFOLLOW, out int errno);
        if (errno != 0)
        {
            handle.Dispose();
            throw new CracException(
                CracReason.PermissionDenied, $"The folder {path} for criu's log could not be opened: {LibC.Message(errno)}.", $"Name another with {LogRootVariable}.");
        }

        string? configPath = null;
        if (config is not null)
        {
            configPath = Path.Combine(path, ConfigName);
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            };
            using var writer = new StreamWriter(configPath, options);
            writer.Write(config);
        }

        return new CriuWorkDirectory(path, handle, configPath);
    }

    /// <summary>Lets the directory stay, without the configuration file, and removes the oldest ones.</summary>
    /// <returns>The log's path; null where criu wrote none.</returns>
    internal string? Keep()
    {
        bool hasLog = File.Exists(LogPath) && new FileInfo(LogPath).Length > 0;
        _keep = hasLog;
        if (_configPath is not null)
        {
            File.Delete(_configPath);
        }

        if (hasLog)
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

    private static string RequireRoot()
    {
        string? named = Environment.GetEnvironmentVariable(LogRootVariable);
        string root = !string.IsNullOrEmpty(named) ? named : Path.Combine(StateFolder.Path, "logs");
        try
        {
            Directory.CreateDirectory(root, Private);
            return root;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CracException(
                CracReason.PermissionDenied,
                $"The folder {root}, where criu's logs are kept, could not be made: {e.Message}",
                $"Name a folder that you may write to with {LogRootVariable}.",
                e);
        }
    }

    private static void RemoveOldest(string root)
    {
        // Names begin with the time, so their order is the order of age.
        string[] all = Directory.GetDirectories(root);
        Array.Sort(all, StringComparer.Ordinal);
        for (int i = 0; i < all.Length - MostKept; i++)
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
            // Another operation may be removing it too; what is left goes with a later one.
        }
    }
}
