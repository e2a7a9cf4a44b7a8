using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Criu;

/// <summary>
/// criu's cache of the kernel's features, without which each start of criu probes them again. criu keeps it at /run/criu.kdat, and
/// only on a tmpfs, since it must not outlive the boot; but criu reads it from any file system, and checks only that the same build
/// of criu wrote it (criu/kerndat.c). If /run is not a tmpfs, this class has criu create the cache, moves it to the tmpfs at /dev,
/// and makes /run/criu.kdat a link to it. After a reboot the link is dangling, also for a criu that PSCrac did not start, and criu
/// removes it itself.
/// </summary>
internal static class CriuFeatureCache
{
    private const string RunFolder = "/run";
    private const string CacheName = "criu.kdat";
    /// <summary>Where criu looks for it.</summary>
    internal const string CachePath = RunFolder + "/" + CacheName;
    private const string KeepFolder = "/dev";
    private const string KeepPrefix = "criu.kdat.";
    private const UnixFileMode WritableByOthers = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Whether criu finds or creates a cache at its next start, and where.</summary>
    /// <param name="detail">A description of what was found.</param>
    internal static bool IsAvailable(out string detail)
    {
        if (IsTmpfs(RunFolder))
        {
            detail = $"{RunFolder} is a tmpfs, so criu keeps its feature cache there";
            return true;
        }

        string? target = ReadLinkTarget();
        bool isAvailable = File.Exists(CachePath) && (target is null || !IsStale(target));
        detail = isAvailable
            ? target is null ? $"{CachePath} exists, on a {RunFolder} that is not a tmpfs" : $"{CachePath} links to {target}, which lasts until the next boot"
            : $"{RunFolder} is not a tmpfs, so criu keeps no feature cache there and probes the kernel at each start, about 30 ms";
        return isAvailable;
    }

    /// <summary>
    /// Removes the link if its target is a cache of an earlier boot, or one that someone else could have written. Called before
    /// each start of criu; criu itself detects a cache of another build.
    /// </summary>
    internal static void RemoveIfStale()
    {
        if (ReadLinkTarget() is { } target && IsStale(target))
        {
            TryDelete(CachePath);
        }
    }

    /// <summary>Has criu create its cache, and stores it where criu finds it until the next boot.</summary>
    /// <param name="criuPath">The criu to create it with; null to search for it. Another build of criu does not use it.</param>
    /// <param name="cancellation">Ends criu.</param>
    /// <returns>Whether it was created; false if criu keeps it by itself.</returns>
    /// <exception cref="CracException">It could not be created, or there is no folder for it.</exception>
    internal static bool Create(string? criuPath = null, CancellationToken cancellation = default)
    {
        if (IsTmpfs(RunFolder))
        {
            return false;
        }

        try
        {
            Make(criuPath, cancellation);
            return true;
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Check, processId: null, imagePath: null);
            throw;
        }
    }

    private static void Make(string? criuPath, CancellationToken cancellation)
    {
        var criu = CriuInstallation.Locate(criuPath);
        RequireFolders();
        byte[] cache = CreateInOwnNamespace(criu, cancellation);
        RemoveCaches();
        string kept = Path.Combine(KeepFolder, KeepPrefix + BootId.Current);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
        try
        {
            using (var file = new FileStream(kept, options))
            {
                file.Write(cache);
            }

            CreateLink(kept);
        }
        catch (IOException e)
        {
            throw CreationFailed($"it cannot be put in place: {e.Message.TrimEnd('.')}");
        }
    }

    // On a thread with its own mount namespace, in which /run is a tmpfs, criu writes its cache. Namespace and tmpfs end with the
    // thread.
    private static byte[] CreateInOwnNamespace(CriuInstallation criu, CancellationToken cancellation)
    {
        byte[]? cache = null;
        string? problem = null;
        var thread = new Thread(() =>
        {
            try
            {
                cache = CreateOnTmpfs(criu, cancellation, out problem);
            }
            catch (Exception e)
            {
                problem = e.Message;
            }
        })
        { IsBackground = true, Name = "PSCrac mount namespace" };
        thread.Start();
        thread.Join();
        cancellation.ThrowIfCancellationRequested();
        return cache is { Length: > 0 } ? cache : throw CreationFailed(problem ?? "criu check did not write it");
    }

    private static byte[]? CreateOnTmpfs(CriuInstallation criu, CancellationToken cancellation, out string? problem)
    {
        Errno errno = LibC.EnterOwnMounts();
        errno = errno != 0 ? errno : LibC.MountTmpfs(RunFolder);
        if (errno != 0)
        {
            problem = $"no mount namespace could be created for criu: {LibC.Message(errno)}";
            return null;
        }

        problem = RunCheck(criu, cancellation);
        return problem is null && File.Exists(CachePath) ? File.ReadAllBytes(CachePath) : null;
    }

    private static string? RunCheck(CriuInstallation criu, CancellationToken cancellation)
    {
        using SafeFileHandle nothing = LibC.Open("/dev/null", LibC.O_RDWR, out _);
        using SafeFileHandle standard = LibC.Duplicate(nothing, 10, out _);
        Errno errno = LibC.Spawn(criu.CriuPath, ["criu", "check"], CriuWorker.WorkerEnvironment(), [(standard, 0), (standard, 1), (standard, 2)], [], [LibC.SIGPIPE], out int pid);
        if (errno != 0)
        {
            return $"{criu.CriuPath} could not be started: {LibC.Message(errno)}";
        }

        using SafeFileHandle pidFd = LibC.OpenPidFd(pid, out _);
        const int SliceMilliseconds = 100;
        while (!LibC.WaitReadable(pidFd, SliceMilliseconds))
        {
            if (cancellation.IsCancellationRequested)
            {
                LibC.Signal(pidFd, LibC.SIGKILL);
            }
        }

        LibC.Reap(pidFd, out int code, out bool exited);

        // A check that fails for a missing feature has written the cache anyway.
        return exited ? null : $"criu check was ended by signal {code}";
    }

    private static void RequireFolders()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new CracException(CracReason.PermissionDenied, "Only root may create criu's feature cache.", "Run this session as root, with sudo pwsh.");
        }

        foreach (string folder in (string[])[RunFolder, KeepFolder])
        {
            if (!IsWritableByRootOnly(folder))
            {
                throw CreationFailed($"{folder} is not owned by root, or others can write to it");
            }
        }

        if (!IsTmpfs(KeepFolder))
        {
            throw CreationFailed($"{KeepFolder} is not a tmpfs, so a cache on it would outlive the boot");
        }
    }

    private static void CreateLink(string target)
    {
        string name = $".{CacheName}.{Environment.ProcessId}";
        using SafeFileHandle run = LibC.Open(RunFolder, LibC.O_RDONLY | LibC.O_DIRECTORY, out Errno errno);
        errno = errno != 0 ? errno : LibC.MakeLink(run, name, target);
        errno = errno != 0 ? errno : LibC.Rename(run, name, CacheName, 0);
        if (errno != 0)
        {
            LibC.Unlink(run, name, 0);
            TryDelete(target);
            throw CreationFailed($"{CachePath} cannot be created: {LibC.Message(errno)}");
        }
    }

    private static string? ReadLinkTarget()
    {
        string? target = new FileInfo(CachePath).LinkTarget;
        return target is not null && target.StartsWith(Path.Combine(KeepFolder, KeepPrefix), StringComparison.Ordinal) ? target : null;
    }

    private static bool IsStale(string target)
    {
        var file = new FileInfo(target);
        return target != Path.Combine(KeepFolder, KeepPrefix + BootId.Current)
            || !file.Exists || file.LinkTarget is not null || !IsWritableByRootOnly(target) || !IsTmpfs(KeepFolder);
    }

    private static bool IsWritableByRootOnly(string path) =>
        FileStatus.TryRead(path, 0, out FileStatus status, out _)
        && status.UserId == 0 && ((UnixFileMode)status.Mode & WritableByOthers) == 0;

    private static void RemoveCaches()
    {
        foreach (string kept in Directory.EnumerateFiles(KeepFolder, KeepPrefix + "*"))
        {
            TryDelete(kept);
        }
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A user who may not remove it may not run criu either, and criu reports that.
        }
    }

    // devtmpfs is a kind of tmpfs, and also lost at a reboot; a container's /dev is a plain tmpfs.
    private static bool IsTmpfs(string path)
    {
        try
        {
            return new DriveInfo(path).DriveFormat is "tmpfs" or "devtmpfs";
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static CracException CreationFailed(string why) => new(
        CracReason.PermissionDenied, $"criu's feature cache could not be created: {why}.", "Mount a tmpfs on /run instead; in a container, with --tmpfs /run.");
}
