using PSCrac.Interop;

namespace PSCrac.Options;

/// <summary>
/// What PSCrac knows of criu's options (criu(8)), a row each: the parameter that stands for it, what sets it, whether it may be
/// chosen, whether a restore repeats it, whether -CriuOption may name it. An option without a row goes into criu's configuration
/// file as it is given. docs/options.md is made from this table.
/// </summary>
internal static class OptionTable
{
    // criu's enum criu_network_lock_method (criu.h).
    private static readonly Dictionary<string, int> s_networkLocks = new(StringComparer.Ordinal) { ["iptables"] = 1, ["nftables"] = 2, ["skip"] = 3 };

    private static readonly Version s_criu43 = new(4, 3);

    internal static readonly OptionRow ShellJob =
        new("shell-job", OptionValue.Switch(LibCriu.criu_local_set_shell_job)) { Parameter = "ShellJob", MayBeChosen = true, LosesNothing = true, IsRepeated = true, IsPassedByJava = true };

    internal static readonly OptionRow TcpEstablished =
        new("tcp-established", OptionValue.Switch(LibCriu.criu_local_set_tcp_established)) { Parameter = "TcpEstablished", MayBeChosen = true, IsRepeated = true, Excludes = "tcp-close" };

    internal static readonly OptionRow TcpClose =
        new("tcp-close", OptionValue.Switch(LibCriu.criu_local_set_tcp_close)) { Parameter = "TcpClose", IsRepeated = true, Excludes = "tcp-established" };

    internal static readonly OptionRow FileLocks =
        new("file-locks", OptionValue.Switch(LibCriu.criu_local_set_file_locks)) { Parameter = "FileLocks", MayBeChosen = true, LosesNothing = true, IsRepeated = true };

    internal static readonly OptionRow LinkRemap =
        new("link-remap", OptionValue.Switch(LibCriu.criu_local_set_link_remap)) { Parameter = "LinkRemap", ParameterScope = OptionScope.Checkpoint, MayBeChosen = true, LosesNothing = true, IsRepeated = true };

    internal static readonly OptionRow ExternalUnixSocket =
        new("ext-unix-sk", OptionValue.Switch(LibCriu.criu_local_set_ext_unix_sk)) { Parameter = "ExternalUnixSocket", MayBeChosen = true, LosesNothing = true, IsRepeated = true };

    internal static readonly OptionRow LeaveRunning =
        new("leave-running", OptionValue.Switch(LibCriu.criu_local_set_leave_running)) { Parameter = "LeaveRunning", Scope = OptionScope.Checkpoint };

    internal static readonly OptionRow TrackMemory =
        new("track-mem", OptionValue.Switch(LibCriu.criu_local_set_track_mem)) { Parameter = "TrackMemory", Scope = OptionScope.Checkpoint };

    internal static readonly OptionRow GhostLimit =
        new("ghost-limit", OptionValue.Number(LibCriu.criu_local_set_ghost_limit)) { Parameter = "GhostLimit", Scope = OptionScope.Checkpoint, MayBeChosen = true, LosesNothing = true };

    internal static readonly OptionRow NetworkLock =
        new("network-lock", OptionValue.Text(static (request, method) => _ = LibCriu.criu_local_set_network_lock(request, s_networkLocks[method]))) { Scope = OptionScope.Checkpoint, MayBeChosen = true, LosesNothing = true };

    internal static readonly OptionRow ParentImage =
        new("prev-images-dir", OptionValue.Text(static (request, path) => _ = LibCriu.criu_local_set_parent_images(request, path))) { Parameter = "ParentImage", Scope = OptionScope.Checkpoint };

    /// <summary>In whole seconds.</summary>
    internal static readonly OptionRow FreezeTimeout =
        new("timeout", OptionValue.Number(LibCriu.criu_local_set_timeout)) { Parameter = "FreezeTimeout", Scope = OptionScope.Checkpoint };

    internal static readonly OptionRow SkipInFlight =
        new("skip-in-flight", OptionValue.Switch()) { Parameter = "SkipInFlight", Scope = OptionScope.Checkpoint };

    internal static readonly OptionRow Compress =
        new("compress", OptionValue.LateSwitch(static (request, on) => _ = LibCriu.criu_local_set_compress(request, on ? 1 : 0), nameof(LibCriu.criu_local_set_compress)))
        {
            Parameter = "Compress",
            Scope = OptionScope.Checkpoint,
            Since = s_criu43,
        };

    internal static readonly OptionRow LazyPages =
        new("lazy-pages", OptionValue.LateSwitch(LibCriu.criu_local_set_lazy_pages, nameof(LibCriu.criu_local_set_lazy_pages))) { Parameter = "LazyPages", Scope = OptionScope.Restore };

    internal static readonly OptionRow Root =
        new("root", OptionValue.Any) { MayBeChosen = true, LosesNothing = true, IsRepeated = true };

    internal static readonly OptionRow Unprivileged =
        new("unprivileged", OptionValue.Any) { MayBeChosen = true, LosesNothing = true, IsRepeated = true };

    /// <summary>Paths, a line each.</summary>
    internal static readonly OptionRow IrmapScanPath =
        new("irmap-scan-path", OptionValue.Lines) { Scope = OptionScope.Checkpoint, MayBeChosen = true, LosesNothing = true };

    internal static readonly OptionRow AllowUprobes = new("allow-uprobes", OptionValue.Any);

    /// <summary>The rows, in the order in which options are set, shown and kept in a manifest.</summary>
    internal static IReadOnlyList<OptionRow> Rows { get; } =
    [
        ShellJob, TcpEstablished, TcpClose, FileLocks, LinkRemap, ExternalUnixSocket, LeaveRunning, TrackMemory, GhostLimit, NetworkLock,
        ParentImage, FreezeTimeout, SkipInFlight, Compress, LazyPages, Root, Unprivileged, IrmapScanPath, AllowUprobes,

        // What means the same at the checkpoint and at the restore.
        .. Given(OptionScope.Both, isRepeated: true,
            "cgroup-props", "cpu-cap", "enable-external-masters", "enable-external-sharing", "evasive-devices", "file-validation",
            "manage-cgroups", "mntns-compat-mode", "skip-file-rwx-check", "weak-sysctls"),

        // What is given at either, or has a meaning of its own there.
        .. Given(OptionScope.Both, isRepeated: false,
            "action-script", "cgroup-dump-controller", "cgroup-props-file", "cgroup-root", "cgroup-yard", "empty-ns", "enable-fs", "external",
            "force-irmap", "freeze-cgroup", "ghost-fiemap", "join-ns", "libdir", "lsm-mount-context", "lsm-profile",
            "skip-mnt"),

        // What criu 4.3 has added.
        .. New(OptionScope.Checkpoint, "compress-acceleration", "compress-block"),
        .. New(OptionScope.Restore, "decompress-threads"),
        .. New(OptionScope.Both, "image-io-mode", "plugin-option"),

        OptionRow.Reserved("tree", "Id"),
        OptionRow.Reserved("images-dir", "ImagePath"),
        OptionRow.Reserved("restore-sibling", "Wait", OptionScope.Restore),
        .. Reserved(
            "work-dir", "log-file", "verbosity", "log-pid", "leave-stopped", "restore-detached", "daemon", "config", "no-default-config",
            "help", "version", "pidfile", "status-fd", "ps-socket", "inherit-fd", "exec-cmd", "stream", "feature", "all", "extra",
            "experimental", "close", "page-server"),
    ];

    private static readonly Dictionary<string, OptionRow> s_byName = Rows.ToDictionary(static row => row.Name, StringComparer.Ordinal);

    /// <summary>The row of an option; null where there is none.</summary>
    /// <param name="name">criu's long name.</param>
    internal static OptionRow? Find(string name) => s_byName.GetValueOrDefault(name);

    private static IEnumerable<OptionRow> Given(OptionScope scope, bool isRepeated, params string[] names) =>
        names.Select(name => new OptionRow(name, OptionValue.Any) { Scope = scope, IsRepeated = isRepeated });

    private static IEnumerable<OptionRow> New(OptionScope scope, params string[] names) =>
        names.Select(name => new OptionRow(name, OptionValue.Any) { Scope = scope, Since = s_criu43 });

    private static IEnumerable<OptionRow> Reserved(params string[] names) => names.Select(static name => OptionRow.Reserved(name));
}
