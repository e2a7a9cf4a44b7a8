using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Storage;
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
    private const string StampFormat = "yyyyMMdd-HHmmss-fff";
    private const int MaximumKept = 20;
    private const uint Private = 0x1C0; // 0700
    private const uint PrivateFile = 0x180; // 0600

    private readonly string _operation;
    private readonly bool _hasConfig;
    private FolderHandle _parent;
    private bool _isOutsideRoot;
    private bool _keep;

    private CriuWorkDirectory(string operation, FolderHandle parent, FolderHandle folder, bool isOutsideRoot, bool hasConfig)
    {
        _operation = operation;
        _parent = parent;
        Folder = folder;
        _isOutsideRoot = isOutsideRoot;
        _hasConfig = hasConfig;
    }

    /// <summary>The directory: in the log root or, until it is kept, outside of it.</summary>
    internal FolderHandle Folder { get; private set; }

    /// <summary>Its path.</summary>
    internal string DirectoryPath => Folder.Path;

    /// <summary>
    /// A path of the configuration file for criu, valid for as long as this object is, from the same pid namespace; null without a
    /// configuration file. It leads through the descriptor, since another folder may have the directory's path meanwhile.
    /// </summary>
    internal string? ConfigPath => _hasConfig ? Path.Combine(Folder.DescriptorPath, ConfigName) : null;

    internal string LogPath => Path.Combine(DirectoryPath, LogName);

    /// <summary>Creates the directory.</summary>
    /// <param name="operation">A part of its name, such as "checkpoint-1234".</param>
    /// <param name="config">The text of the configuration file; null for none.</param>
    /// <param name="watched">The folders that the checkpointed tree watches; null for none.</param>
    internal static CriuWorkDirectory Create(string operation, string? config, WatchedFolders? watched = null)
    {
        FolderHandle? parent = null;
        FolderHandle? folder = watched is not null && watched.Watches(Path.GetFullPath(Root)) ? CreateOutsideRoot(watched, out parent) : null;
        bool isOutsideRoot = folder is not null;
        if (folder is null)
        {
            folder = CreateInRoot(operation, out parent);
        }

        var made = new CriuWorkDirectory(operation, parent!, folder, isOutsideRoot, config is not null);
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

    /// <summary>Opens the configuration file; the handle is invalid without one.</summary>
    internal SafeFileHandle OpenConfiguration() => Folder.OpenToRead(ConfigName, out _);

    /// <summary>The error lines of criu's log; none if criu wrote none.</summary>
    internal IReadOnlyList<string> ReadErrors() => CriuLog.ReadErrors(Folder, LogName);

    /// <summary>The pids that criu stopped for a dump, by its log.</summary>
    internal IReadOnlyList<int> ReadStopped() => CriuLog.ReadStopped(Folder, LogName);

    private void WriteConfiguration(string? config)
    {
        if (config is null)
        {
            return;
        }

        using SafeFileHandle file = Folder.Create(ConfigName, out Errno errno, PrivateFile);
        if (errno != 0)
        {
            throw CannotCreate(DirectoryPath, errno);
        }

        try
        {
            RandomAccess.Write(file, Encoding.UTF8.GetBytes(config), 0);
        }
        catch (IOException e)
        {
            throw CannotCreate(DirectoryPath, (Errno)e.HResult);
        }
    }

    /// <summary>Keeps the directory, without the configuration file, and removes the oldest ones.</summary>
    /// <returns>The log's path; null if criu wrote none.</returns>
    internal string? Keep()
    {
        bool hasLog = Folder.TryGetStatus(LogName, out FileStatus status, out _) && status is { Type: FileType.Regular, SizeBytes: > 0 };
        _keep = hasLog;
        if (_hasConfig)
        {
            Folder.Delete(ConfigName);
        }

        if (hasLog && _isOutsideRoot)
        {
            MoveToRoot();
        }

        if (hasLog && !_isOutsideRoot)
        {
            RemoveOldest(_parent);
        }

        return hasLog ? LogPath : null;
    }

    public void Dispose()
    {
        if (!_keep && !Folder.Handle.IsClosed)
        {
            Delete(_parent, Folder);
        }

        Folder.Dispose();
        _parent.Dispose();
    }

    private static string Root =>
        Environment.GetEnvironmentVariable(LogRootVariable) is { Length: > 0 } named ? named : Path.Combine(StateDirectory.Path, "logs");

    private static FolderHandle CreateInRoot(string operation, out FolderHandle parent)
    {
        string root = Path.GetFullPath(Root);
        string stamp = DateTime.UtcNow.ToString(StampFormat, CultureInfo.InvariantCulture);
        string name = $"{stamp}-{operation}-{Path.GetRandomFileName()[..4]}";
        parent = FolderHandle.Make(root, Private, out Errno errno) ?? throw CannotCreate(root, errno);

        // A session that was killed has kept its directory.
        RemoveOldest(parent);
        return TryCreate(parent, name, out errno) ?? throw CannotCreate(parent, errno);
    }

    private static FolderHandle? TryCreate(FolderHandle parent, string name, out Errno errno)
    {
        errno = parent.MakeFolder(name, Private);
        FolderHandle? folder = errno == 0 ? parent.TryOpenFolder(name, out errno) : null;
        if (folder is null || folder.BelongsTo([(int)LibC.GetEffectiveUserId()]))
        {
            // For RemoveOldest; on a file system without locks the age protects it.
            _ = folder is null ? Errno.None : LibC.TryLock(folder.Handle);
            return folder;
        }

        // Another user, who may write to the parent folder, has put another folder there.
        folder.Dispose();
        errno = Errno.EPERM;
        return null;
    }

    private static CracException CannotCreate(FolderHandle parent, Errno errno)
    {
        using (parent)
        {
            return CannotCreate(parent.Path, errno);
        }
    }

    private static CracException CannotCreate(string folder, Errno errno) => new(
        CracReason.LogFolderUnusable,
        $"The folder {folder}, where criu's logs are kept, could not be written to: {LibC.Message(errno)}.",
        errno is Errno.ENOSPC or Errno.EDQUOT
            ? $"Remove old logs from it, or name another folder that has room with {LogRootVariable}."
            : $"Name a folder that you may write to with {LogRootVariable}.");

    // The image of a tree that watches new folders in the log root would have this directory's path, but the directory is removed.
    private static FolderHandle? CreateOutsideRoot(WatchedFolders watched, out FolderHandle? parent)
    {
        foreach (string place in (string[])["/run", "/dev/shm", Path.GetTempPath()])
        {
            parent = watched.Watches(place) ? null : FolderHandle.TryOpen(Path.TrimEndingDirectorySeparator(place), out _);

            // Others may write to these folders, so the name is unpredictable and no link is followed.
            if (parent is not null && TryCreate(parent, $"pscrac-{Guid.NewGuid():N}", out _) is { } made)
            {
                return made;
            }

            parent?.Dispose();
        }

        parent = null;
        return null;
    }

    // The checkpoint has failed, so no image has the path. A later image may have it if the program watches the log root; preflight
    // reports it if it is then missing.
    private void MoveToRoot()
    {
        FolderHandle kept;
        FolderHandle root;
        try
        {
            kept = CreateInRoot(_operation, out root);
        }
        catch (CracException)
        {
            // The operation's failure matters more than the place of its log, which stays where it was written.
            return;
        }

        bool isMoved = Folder.Move(LogName, kept, LogName, PrivateFile) == 0;
        (FolderHandle oldFolder, FolderHandle oldParent) = isMoved ? (Folder, _parent) : (kept, root);
        Delete(oldParent, oldFolder);
        oldFolder.Dispose();
        oldParent.Dispose();
        if (isMoved)
        {
            (Folder, _parent, _isOutsideRoot) = (kept, root, false);
        }
    }

    // Names begin with the time, so sorting them sorts by age. Other folders in the log root are kept, and those of operations that
    // still run: they are locked.
    private static void RemoveOldest(FolderHandle root)
    {
        List<string> all = root.ReadNames() ?? [];
        all.RemoveAll(static name => name.Length <= StampFormat.Length
            || !DateTime.TryParseExact(name.AsSpan(0, StampFormat.Length), StampFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out _));
        all.Sort(StringComparer.Ordinal);
        for (int i = 0; i < all.Count - MaximumKept; i++)
        {
            using FolderHandle? folder = root.TryOpenFolder(all[i], out _);
            if (folder is not null && LibC.TryLock(folder.Handle) != Errno.EAGAIN)
            {
                root.DeleteTree(all[i], TrustedUsers.Read());
            }
        }
    }

    // Another operation may be removing it as well; a later one removes the rest.
    private static void Delete(FolderHandle parent, FolderHandle folder)
    {
        if (folder.DeleteContents(TrustedUsers.Read()) == 0)
        {
            parent.DeleteFolder(Path.GetFileName(folder.Path));
        }
    }
}
