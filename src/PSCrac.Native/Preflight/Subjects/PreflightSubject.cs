using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Procfs;

namespace PSCrac.Preflight.Subjects;

/// <summary>The process tree that the rules examine, and facts about it that several rules need.</summary>
internal sealed class PreflightSubject(ProcessTreeSnapshot tree, PreflightOptions options, PreflightEnvironment environment)
    : RuleSubject(environment)
{
    private HashSet<ulong>? _socketInodes;

    internal ProcessTreeSnapshot Tree { get; } = tree;

    /// <summary>The given options: null means that the option may be chosen, false that it must not be.</summary>
    internal CheckpointOptions Options { get; } = options.Checkpoint;

    /// <summary>Whether options without loss are chosen automatically.</summary>
    internal bool ChooseOptions { get; } = options.ChooseOptions;

    /// <summary>Whether the tree has a network namespace of its own, which becomes part of the image.</summary>
    internal bool HasOwnNetwork => HasOwn(NamespaceKind.Network);

    /// <summary>Whether the tree has a mount namespace of its own that becomes part of the image.</summary>
    internal bool HasOwnMounts => HasOwn(NamespaceKind.Mount) && !IsEntered;

    /// <summary>Whether criu enters the pid and mount namespaces of the tree, always both together (see Checkpointing).</summary>
    internal bool IsEntered => Tree.Root.Status is { NamespaceProcessIds.Count: > 1, InnermostProcessId: not 1 };

    /// <summary>The prefix of the path of a program that criu runs: empty, unless criu enters the tree's mount namespace.</summary>
    internal string ProgramRoot => IsEntered ? Tree.RootOf(Tree.Root) : "";

    /// <summary>
    /// The mount with this id, and its table; null if no process of the tree sees it. criu searches the mounts of all members.
    /// </summary>
    internal (MountTable Table, MountPoint Mount)? FindMount(int id)
    {
        MountTable? previous = null;
        foreach (ProcessSnapshot member in Tree.Members)
        {
            if (member.Mounts is { } table && table != previous)
            {
                if (table.Find(id) is { } mount)
                {
                    return (table, mount);
                }

                previous = table;
            }
        }

        return null;
    }

    /// <summary>Whether a socket is open in the tree.</summary>
    internal bool HasSocket(ulong inode)
    {
        if (_socketInodes is null)
        {
            _socketInodes = [];
            foreach (ProcessSnapshot member in Tree.Members)
            {
                _socketInodes.UnionWith(member.SocketProtocols.Keys);
            }
        }

        return _socketInodes.Contains(inode);
    }

    /// <summary>The sockets of one member, each once, with the lowest descriptor it is open on.</summary>
    internal static IEnumerable<(ProcessDescriptor Descriptor, SocketEntry Socket)> SocketsOf(ProcessSnapshot member)
    {
        if (member.SocketProtocols.Count == 0)
        {
            yield break;
        }

        var seen = new HashSet<ulong>();
        foreach (ProcessDescriptor descriptor in member.Descriptors)
        {
            if (descriptor.Kind == DescriptorKind.Socket && seen.Add(descriptor.Status.Inode))
            {
                yield return (descriptor, member.FindSocket(descriptor)!);
            }
        }
    }

    /// <summary>
    /// Adds a finding that an option handles: an option if it was given, or loses nothing and may be chosen; otherwise a blocker
    /// that names it.
    /// </summary>
    internal void Offer(int? processId, string what, CracReason reason, string why, string recommendedAction, OptionOffer offer, FindingCause? cause = null)
    {
        OptionRow option = offer.Option;
        bool given = !offer.IsInsufficient && Options.Has(option.Name);
        bool isDecided = offer.IsInsufficient || given || Options.Get(option) is not null;
        bool automatic = !isDecided && (offer.LosesNothing ?? option.LosesNothing) && ChooseOptions;
        bool handled = given || automatic;
        Findings.Add(new CracFinding
        {
            Severity = handled ? CracFindingSeverity.Option : CracFindingSeverity.Blocker,
            ProcessId = processId,
            What = what,
            Reason = reason,
            Why = why,
            RecommendedAction = automatic ? $"{option.Spelling(offer.Value)} is chosen." : given ? $"{option.Spelling(offer.Value)} is given." : recommendedAction,
            CriuOption = handled ? option.Name : null,
            CriuValue = handled ? offer.Value : null,
            IsAutomatic = automatic,
            Cause = cause,
        });
    }

    private bool HasOwn(NamespaceKind kind) =>
        Tree is { OwnNamespaces: { } own, Root.Namespaces: { } root } && !root.Shares(kind, own);
}
