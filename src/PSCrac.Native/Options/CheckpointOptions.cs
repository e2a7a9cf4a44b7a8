namespace PSCrac.Options;

/// <summary>The options of a checkpoint.</summary>
public sealed record CheckpointOptions : CriuOptions
{
    /// <summary>--leave-running: let the process go on instead of killing it.</summary>
    public bool LeaveRunning { get => Get(OptionTable.LeaveRunning) is true; init => Set(OptionTable.LeaveRunning, value); }

    /// <summary>--ghost-limit: the largest unlinked file, in bytes, to keep inside the image; null for criu's 1 MiB.</summary>
    public long? GhostLimit { get => (long?)Get(OptionTable.GhostLimit); init => Set(OptionTable.GhostLimit, value); }

    /// <summary>--network-lock: "iptables", "nftables" or "skip"; null for criu's own default, which is iptables.</summary>
    public string? NetworkLock { get => (string?)Get(OptionTable.NetworkLock); init => Set(OptionTable.NetworkLock, value); }

    /// <summary>--track-mem: start tracking changed pages, for a later checkpoint on top of this one.</summary>
    public bool TrackMemory { get => Get(OptionTable.TrackMemory) is true; init => Set(OptionTable.TrackMemory, value); }

    /// <summary>--prev-images-dir: the image on top of which only changed pages are written; null for none.</summary>
    public string? ParentImage { get => (string?)Get(OptionTable.ParentImage); init => Set(OptionTable.ParentImage, value); }

    /// <summary>--compress: store memory compressed with LZ4. Needs a criu from 4.3 on that was built with LZ4, here and at the restore.</summary>
    public bool Compress { get => Get(OptionTable.Compress) is true; init => Set(OptionTable.Compress, value ? true : null); }

    /// <summary>--timeout: how long the tree may take to freeze, rounded up to whole seconds; null for criu's 10.</summary>
    public TimeSpan? FreezeTimeout
    {
        get => Get(OptionTable.FreezeTimeout) is long seconds ? TimeSpan.FromSeconds(seconds) : null;
        init => Set(OptionTable.FreezeTimeout, value is { } timeout ? (long)Math.Ceiling(timeout.TotalSeconds) : null);
    }

    internal override OptionScope Scope => OptionScope.Checkpoint;

    /// <inheritdoc/>
    internal override void RequireConsistent()
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
}
