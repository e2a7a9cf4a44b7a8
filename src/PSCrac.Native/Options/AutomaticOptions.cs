using System.Globalization;

namespace PSCrac.Options;

/// <summary>
/// The options that a checkpoint needs by what was found, and that lose nothing. Never among them: what to do with a connection
/// that leaves the tree, and link-remap when the process goes on running (criu then deletes the helper links at once).
/// </summary>
internal sealed record AutomaticOptions
{
    /// <summary>criu's shell-job.</summary>
    public bool ShellJob { get; init; }

    /// <summary>criu's file-locks.</summary>
    public bool FileLocks { get; init; }

    /// <summary>criu's tcp-established: chosen only when both ends of every connection are in the tree.</summary>
    public bool TcpEstablished { get; init; }

    /// <summary>criu's link-remap.</summary>
    public bool LinkRemap { get; init; }

    /// <summary>criu's ext-unix-sk, for datagram sockets connected to a named socket.</summary>
    public bool ExternalUnixSocket { get; init; }

    /// <summary>criu's ghost-limit, bytes; null where criu's own suffices.</summary>
    public long? GhostLimit { get; init; }

    /// <summary>criu's network-lock: how packets are kept away; null where criu's own default serves, or nothing is locked.</summary>
    public string? NetworkLock { get; init; }

    /// <summary>criu's root, for the restore of a tree that has a mount namespace of its own: /. Null where it has none.</summary>
    public string? Root { get; init; }

    /// <summary>criu's unprivileged, without which it starts for nobody but root.</summary>
    public bool Unprivileged { get; init; }

    /// <summary>Whether the image can be restored only once: its first restore uses up the helper links.</summary>
    public bool IsOneShot => LinkRemap;

    /// <summary>The findings the options were chosen for, each of which says why.</summary>
    public IReadOnlyList<CracFinding> Reasons { get; init; } = [];

    /// <summary>Whether nothing had to be chosen.</summary>
    public bool IsEmpty => Reasons.Count == 0;

    /// <summary>Gathers what the findings chose. Options that the caller gave are not among them.</summary>
    public static AutomaticOptions From(IReadOnlyList<CracFinding> findings)
    {
        var reasons = new List<CracFinding>();
        var options = new AutomaticOptions();
        foreach (CracFinding finding in findings)
        {
            if (!finding.IsAutomatic)
            {
                continue;
            }

            reasons.Add(finding);
            options = finding.CriuOption switch
            {
                "shell-job" => options with { ShellJob = true },
                "file-locks" => options with { FileLocks = true },
                "tcp-established" => options with { TcpEstablished = true },
                "link-remap" => options with { LinkRemap = true },
                "ext-unix-sk" => options with { ExternalUnixSocket = true },
                "unprivileged" => options with { Unprivileged = true },
                "network-lock" => options with { NetworkLock = finding.CriuValue },
                "root" => options with { Root = finding.CriuValue },
                "ghost-limit" => options with
                {
                    GhostLimit = Math.Max(options.GhostLimit ?? 0, long.Parse(finding.CriuValue!, CultureInfo.InvariantCulture)),
                },
                _ => throw new InvalidOperationException($"No rule may choose {finding.CriuOption}."),
            };
        }

        return options with { Reasons = reasons };
    }
}
