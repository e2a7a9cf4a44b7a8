using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// The namespaces of the tree. criu saves those of the root that differ from its own, and supports only mount and network
/// namespaces as nested ones (criu's namespaces.c).
/// </summary>
internal sealed class NamespaceRule : PreflightRule
{
    private static readonly (NamespaceKind Kind, string Name)[] s_kinds =
    [
        (NamespaceKind.Pid, "pid"), (NamespaceKind.User, "user"), (NamespaceKind.Mount, "mount"), (NamespaceKind.Network, "network"),
        (NamespaceKind.Ipc, "IPC"), (NamespaceKind.Uts, "host name (uts)"), (NamespaceKind.Cgroup, "cgroup"), (NamespaceKind.Time, "time"),
    ];

    internal override void Examine(PreflightSubject subject)
    {
        ProcessNamespaces? root = subject.Tree.Root.Namespaces;
        if (root is null)
        {
            return;
        }

        if (subject.Tree.OwnNamespaces is { } own)
        {
            foreach ((NamespaceKind kind, string name) in s_kinds)
            {
                if (!root.Shares(kind, own))
                {
                    ExamineRoot(subject, kind, name);
                }
            }
        }

        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            if (member.Namespaces is { } namespaces)
            {
                ExamineMember(subject, member, namespaces, root);
            }
        }
    }

    private static void ExamineRoot(PreflightSubject subject, NamespaceKind kind, string name)
    {
        ProcessStatus root = subject.Tree.Root.Status;
        switch (kind)
        {
            case NamespaceKind.User:
                subject.Block(
                    root.ProcessId,
                    "another user namespace",
                    CracReason.NamespaceUnsupported,
                    "Its user ids map to other ids outside. CRIU can checkpoint it, but cannot restore it from here.",
                    "Checkpoint it from inside that namespace, or start the program without one (no rootless container, no unshare -U).");
                break;
            case NamespaceKind.Pid or NamespaceKind.Mount when subject.IsEntered:
                subject.Note(
                    root.ProcessId,
                    $"a {name} namespace of its own",
                    CracReason.OwnNamespace,
                    $"The checkpoint is taken from inside it, where the process is {root.InnermostProcessId}; the namespace itself is not part of the image.");
                break;
            case NamespaceKind.Mount:
                subject.Offer(
                    root.ProcessId,
                    "a mount namespace of its own",
                    CracReason.NamespaceUnsupported,
                    "Its mounts become part of the image. The restore recreates them on top of a root file system, which an option must name.",
                    "Give -CriuOption @{ root = '/' } to checkpoint and restore.",
                    new OptionOffer(OptionTable.Root, "/"));
                break;
            default:
                subject.Note(
                    root.ProcessId,
                    $"a {name} namespace of its own",
                    CracReason.OwnNamespace,
                    "The namespace becomes part of the image, and the restore recreates it.");
                break;
        }
    }

    private static void ExamineMember(PreflightSubject subject, ProcessSnapshot member, ProcessNamespaces namespaces, ProcessNamespaces root)
    {
        if (namespaces[NamespaceKind.TimeForChildren] != 0 && namespaces[NamespaceKind.TimeForChildren] != namespaces[NamespaceKind.Time])
        {
            subject.Block(
                member.ProcessId,
                "a time namespace prepared for its children",
                CracReason.NamespaceUnsupported,
                "CRIU supports one time namespace for the whole tree.",
                "The program would have to enter the time namespace itself, before the checkpoint.",
                new("processes with a time namespace prepared for their children"));
        }

        foreach ((NamespaceKind kind, string name) in s_kinds)
        {
            if (namespaces.Shares(kind, root))
            {
                continue;
            }

            if (kind is not (NamespaceKind.Mount or NamespaceKind.Network))
            {
                subject.Block(
                    member.ProcessId,
                    $"a {name} namespace other than the root's",
                    CracReason.NamespaceUnsupported,
                    "Within a tree, CRIU supports nested mount and network namespaces only.",
                    "Checkpoint this process by itself, as the root of its own tree.",
                    new($"processes in a {name} namespace other than the root's")
                    {
                        Action = static _ => "Checkpoint each of them by itself, as the root of its own tree.",
                    });
            }
            else if (subject.Tree.OwnNamespaces is not { } own || root.Shares(kind, own))
            {
                subject.Block(
                    member.ProcessId,
                    $"a {name} namespace other than the root's",
                    CracReason.NamespaceUnsupported,
                    $"CRIU would create an image, but can restore a {name} namespace inside a tree only if the root has one of its own, too.",
                    $"Start the whole tree in a {name} namespace of its own: unshare {(kind == NamespaceKind.Mount ? "-m" : "-n")} PROGRAM",
                    new($"processes in a {name} namespace other than the root's"));
            }
        }
    }
}
