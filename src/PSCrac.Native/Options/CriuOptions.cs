namespace PSCrac.Options;

/// <summary>
/// The options that a checkpoint and its restore share. Names are criu's (criu(8)). A null means that the caller has
/// not said: PSCrac then chooses, or repeats at the restore what was chosen at the checkpoint.
/// </summary>
public abstract record CriuOptions
{
    /// <summary>--shell-job: the process belongs to a terminal's session that is not part of the tree.</summary>
    public bool? ShellJob { get; init; }

    /// <summary>--tcp-established: keep open TCP connections. A killing checkpoint leaves them locked until the restore.</summary>
    public bool? TcpEstablished { get; init; }

    /// <summary>--tcp-close: leave open TCP connections out; the restored process finds them closed.</summary>
    public bool? TcpClose { get; init; }

    /// <summary>--file-locks: keep the file locks that are held.</summary>
    public bool? FileLocks { get; init; }

    /// <summary>--link-remap: give open unlinked files with other names a helper link. The image can then be restored once.</summary>
    public bool? LinkRemap { get; init; }

    /// <summary>--ext-unix-sk: leave out unix sockets whose other end is outside the tree.</summary>
    public bool? ExternalUnixSocket { get; init; }

    /// <summary>
    /// Any other option of criu by its long name without dashes, for its configuration file. True stands for an
    /// option without a value, false for leaving it out, a list for an option given more than once.
    /// </summary>
    public IReadOnlyDictionary<string, object?> CriuOption { get; init; } = new Dictionary<string, object?>();

    /// <summary>The options in use by criu's long names, as the manifest keeps them.</summary>
    public virtual Dictionary<string, object> ToNames()
    {
        var names = new Dictionary<string, object>(StringComparer.Ordinal);
        foreach ((string name, object? value) in CriuOption)
        {
            names[name] = value ?? true;
        }

        AddFlag(names, "shell-job", ShellJob);
        AddFlag(names, "tcp-established", TcpEstablished);
        AddFlag(names, "tcp-close", TcpClose);
        AddFlag(names, "file-locks", FileLocks);
        AddFlag(names, "link-remap", LinkRemap);
        AddFlag(names, "ext-unix-sk", ExternalUnixSocket);
        return names;
    }

    /// <summary>Refuses what contradicts itself.</summary>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>, with what to leave out.</exception>
    public virtual void RequireConsistent()
    {
        if (TcpEstablished == true && TcpClose == true)
        {
            throw new CracException(
                CracReason.OptionRefused,
                "-TcpEstablished keeps open connections, and -TcpClose leaves them out.",
                "Leave out -TcpClose to keep the connections, or -TcpEstablished to have the process find them closed.");
        }
    }

    private protected static void AddFlag(Dictionary<string, object> names, string name, bool? value)
    {
        if (value == true)
        {
            names[name] = true;
        }
    }
}

/// <summary>The options of a checkpoint.</summary>
public sealed record CheckpointOptions : CriuOptions
{
    /// <summary>--leave-running: let the process go on instead of killing it.</summary>
    public bool LeaveRunning { get; init; }

    /// <summary>--ghost-limit: the largest unlinked file, in bytes, to keep inside the image; null for criu's 1 MiB.</summary>
    public long? GhostLimit { get; init; }

    /// <summary>--network-lock: "iptables", "nftables" or "skip"; null for criu's own default, which is iptables.</summary>
    public string? NetworkLock { get; init; }

    /// <summary>--track-mem: start tracking changed pages, for a later checkpoint on top of this one.</summary>
    public bool TrackMemory { get; init; }

    /// <summary>--prev-images-dir: the image on top of which only changed pages are written; null for none.</summary>
    public string? ParentImage { get; init; }

    /// <summary>--timeout: how long the tree may take to freeze, in whole seconds; null for criu's 10.</summary>
    public TimeSpan? FreezeTimeout { get; init; }

    /// <inheritdoc/>
    public override void RequireConsistent()
    {
        base.RequireConsistent();
        if (LeaveRunning && LinkRemap == true)
        {
            throw new CracException(
                CracReason.OptionRefused,
                "-LinkRemap makes links for the restore, and criu takes them away again where the process goes on: such an image can never be restored.",
                "Leave out -LeaveRunning to have the process killed by its checkpoint, or -LinkRemap.");
        }
    }

    /// <inheritdoc/>
    public override Dictionary<string, object> ToNames()
    {
        Dictionary<string, object> names = base.ToNames();
        AddFlag(names, "leave-running", LeaveRunning);
        AddFlag(names, "track-mem", TrackMemory);
        if (GhostLimit is { } limit)
        {
            names["ghost-limit"] = limit;
        }

        if (NetworkLock is { } method)
        {
            // What is given in criu's own words overrides it.
            names.TryAdd("network-lock", method);
        }

        if (ParentImage is { } parent)
        {
            names["prev-images-dir"] = parent;
        }

        if (FreezeTimeout is { } timeout)
        {
            names["timeout"] = (long)Math.Ceiling(timeout.TotalSeconds);
        }

        return names;
    }
}

/// <summary>The options of a restore.</summary>
public sealed record RestoreOptions : CriuOptions
{
    // Options that mean the same at the checkpoint and at the restore, and may have been given through CriuOption.
    private static readonly string[] Repeatable =
    [
        "cgroup-props", "cpu-cap", "enable-external-masters", "enable-external-sharing", "evasive-devices", "file-validation",
        "manage-cgroups", "mntns-compat-mode", "root", "skip-file-rwx-check", "unprivileged", "weak-sysctls",
    ];

    /// <summary>--lazy-pages: fetch memory pages from a page daemon as they are touched.</summary>
    public bool LazyPages { get; init; }

    /// <summary>Fills in what the caller has not said with what the checkpoint was made with.</summary>
    /// <param name="used">The options in the image's manifest, by criu's long names.</param>
    public RestoreOptions WithDefaults(IReadOnlyDictionary<string, object> used)
    {
        ArgumentNullException.ThrowIfNull(used);
        bool? Flag(bool? said, string name) => said ?? (used.ContainsKey(name) ? true : null);
        var others = new Dictionary<string, object?>(CriuOption, StringComparer.Ordinal);
        foreach (string name in Repeatable)
        {
            if (used.TryGetValue(name, out object? value))
            {
                others.TryAdd(name, value);
            }
        }

        return this with
        {
            ShellJob = Flag(ShellJob, "shell-job"),
            // What is given for the one is said of the other too.
            TcpEstablished = TcpClose == true ? TcpEstablished : Flag(TcpEstablished, "tcp-established"),
            TcpClose = TcpEstablished == true ? TcpClose : Flag(TcpClose, "tcp-close"),
            FileLocks = Flag(FileLocks, "file-locks"),
            LinkRemap = Flag(LinkRemap, "link-remap"),
            ExternalUnixSocket = Flag(ExternalUnixSocket, "ext-unix-sk"),
            CriuOption = others,
        };
    }
}
