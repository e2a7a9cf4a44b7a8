namespace PSCrac.Options;

/// <summary>
/// What the caller has decided about a checkpoint, as far as it changes what stands in its way. Of an option, null means that
/// nothing was said and it may be chosen, false that it must not be.
/// </summary>
public sealed record PreflightOptions
{
    /// <summary>Nothing given: the process is killed, and options are chosen.</summary>
    public static PreflightOptions Default { get; } = new();

    /// <summary>Whether options that lose nothing are chosen. Otherwise each is a blocker that names its parameter.</summary>
    public bool ChooseOptions { get; init; } = true;

    /// <summary>Whether the process goes on running after the checkpoint.</summary>
    public bool LeaveRunning { get; init; }

    /// <summary>criu's shell-job: the tree belongs to a terminal, or to a session that begins outside it.</summary>
    public bool? ShellJob { get; init; }

    /// <summary>criu's tcp-established: connections are kept, and locked until the restore.</summary>
    public bool? TcpEstablished { get; init; }

    /// <summary>criu's tcp-close: connections are found closed after the restore.</summary>
    public bool? TcpClose { get; init; }

    /// <summary>criu's file-locks: held locks are taken again.</summary>
    public bool? FileLocks { get; init; }

    /// <summary>criu's link-remap: files that lost the name they were opened by get a helper link beside it.</summary>
    public bool? LinkRemap { get; init; }

    /// <summary>criu's ghost-limit: the largest unlinked file that is put into the image, bytes. Null for criu's 1 MiB.</summary>
    public long? GhostLimit { get; init; }

    /// <summary>criu's ext-unix-sk: datagram sockets connected to a named socket outside the tree are connected again.</summary>
    public bool? ExternalUnixSocket { get; init; }

    /// <summary>Options given in criu's own words, without dashes, with their values; null for those without one.</summary>
    public IReadOnlyDictionary<string, string?> CriuOptions { get; init; } = new Dictionary<string, string?>();

    /// <summary>Whether the worker will enter the tree's pid namespace, when that is not ours.</summary>
    public bool EntersPidNamespace { get; init; } = true;

    /// <summary>Whether an option was given in criu's own words.</summary>
    internal bool HasCriuOption(string name) => CriuOptions.ContainsKey(name);
}
