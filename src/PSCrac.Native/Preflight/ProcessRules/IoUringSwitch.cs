using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>How common programs are told to work without io_uring, by the name of the program's file.</summary>
internal static class IoUringSwitch
{
    private const string Other = "Turn io_uring off in the program, by its own switch; or for the whole machine: sysctl kernel.io_uring_disabled=2. Then restart the program.";
    private const string Libuv = "Start it with UV_USE_IO_URING=0 in its environment.";
    private const string Qemu = "Start it with aio=threads in place of aio=io_uring in its -drive and -blockdev options.";
    private const string MariaDb = "Start it with --innodb-use-native-aio=OFF, or set innodb_use_native_aio=OFF in the section [mariadb] of its configuration.";

    private static readonly Dictionary<string, string> s_switches = new(StringComparer.Ordinal)
    {
        ["mariadbd"] = MariaDb,
        ["mysqld"] = MariaDb,
        ["postgres"] = "Set io_method = worker in postgresql.conf, or start it with -c io_method=worker.",
        ["node"] = Libuv,
        ["nodejs"] = Libuv,
        ["nvim"] = Libuv,
        ["julia"] = Libuv,
        ["named"] = Libuv,
        ["scylla"] = "Start it with --reactor-backend=epoll.",
        ["redpanda"] = "Start it with --reactor-backend=epoll.",
        ["dragonfly"] = "Start it with --force_epoll.",
        ["ceph-osd"] = "Set bdev_ioring = false for it: ceph config set osd bdev_ioring false",
        ["smbd"] = "Remove io_uring from the option \"vfs objects\" in smb.conf.",
        ["fio"] = "Start it with --ioengine=libaio.",
        ["qemu-system-x86_64"] = Qemu,
        ["qemu-system-aarch64"] = Qemu,
        ["qemu-storage-daemon"] = Qemu,
    };

    /// <summary>The recommended action for a process that uses io_uring.</summary>
    internal static string Recommend(ProcessCommandLine program)
    {
        const string Deleted = " (deleted)";
        string? path = program.ExecutablePath;
        string name = path is null ? program.CommandName : Path.GetFileName(path.EndsWith(Deleted, StringComparison.Ordinal) ? path[..^Deleted.Length] : path);
        return s_switches.TryGetValue(name, out string? action) || s_switches.TryGetValue(program.CommandName, out action) ? action : Other;
    }
}
