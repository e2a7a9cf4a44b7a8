using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Both ends of a connected unix socket must be in the tree (criu's sk-unix.c).</summary>
internal sealed class UnixSocketRule : PreflightRule
{
    private const int ShutBoth = 3;

    internal override void Examine(PreflightSubject subject)
    {
        var seen = new HashSet<ulong>();
        HashSet<ulong> waiting = FindWaiting(subject);
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach ((ProcessDescriptor descriptor, SocketEntry socket) in PreflightSubject.SocketsOf(member))
            {
                if (socket.Protocol != SocketProtocol.Unix || !seen.Add(socket.Inode))
                {
                    continue;
                }

                if (RenamedSockets.FindRelative(member, socket) is { } path)
                {
                    ReportRenamed(subject, member, descriptor, socket, path);
                }
                else if (socket.PeerInode != 0)
                {
                    if (!subject.HasSocket(socket.PeerInode))
                    {
                        ReportOutside(subject, member, descriptor, socket);
                    }
                }
                else if (socket.State == CracSocketState.Established && socket.UnixType != UnixSocketType.Datagram)
                {
                    ExamineUnaccepted(subject, member, descriptor, socket, waiting);
                }
                else if (socket.State == CracSocketState.Listening && HasDisconnectedClient(socket))
                {
                    subject.Block(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: unix socket {NameOf(socket)}, a client disconnected before it was accepted",
                        CracReason.UnixSocketExternal,
                        "Data that the client may have sent cannot be kept.",
                        "Try again when the program has accepted the waiting connections.",
                        new("unix sockets with a client that disconnected before it was accepted", NameOf(socket), $"descriptor {descriptor.Number}") { Key = socket.Inode });
                }
            }
        }
    }

    private static void ReportRenamed(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, SocketEntry socket, string path) =>
        subject.Block(
            member.ProcessId,
            $"descriptor {descriptor.Number}: unix socket {NameOf(socket)}, renamed to {path}",
            CracReason.ResourceUnsupported,
            "CRIU finds the folder of a socket with a relative name by the socket's path, which no longer ends with that name.",
            $"Rename it back before the checkpoint: mv {path} {NameOf(socket)}; or let the program bind it to an absolute path.",
            new("unix sockets with relative names that were renamed", NameOf(socket), $"descriptor {descriptor.Number}") { Key = socket.Inode });

    /// <summary>The connections that wait to be accepted by a listener of the tree.</summary>
    private static HashSet<ulong> FindWaiting(PreflightSubject subject)
    {
        var waiting = new HashSet<ulong>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach ((_, SocketEntry socket) in PreflightSubject.SocketsOf(member))
            {
                waiting.UnionWith(socket.PendingConnections);
            }
        }

        return waiting;
    }

    private static bool HasDisconnectedClient(SocketEntry socket)
    {
        foreach (ulong caller in socket.PendingConnections)
        {
            if (caller == 0)
            {
                return true;
            }
        }

        return false;
    }

    private static void ReportOutside(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, SocketEntry socket)
    {
        SocketEntry? peer = member.Sockets?.Find(socket.PeerInode);
        string name = peer?.UnixName ?? socket.UnixName ?? "without a name";
        string what = $"descriptor {descriptor.Number}: unix socket connected to {name} outside the tree";
        var cause = new FindingCause("unix sockets connected to others outside the tree", name, $"descriptor {descriptor.Number}") { Key = socket.Inode };
        if (subject.Options.Has("external") || socket.UnixType != UnixSocketType.Datagram || peer?.UnixName is null)
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.UnixSocketExternal,
                "The process that holds the other end is not part of the tree, and half a connection cannot be kept.",
                "Checkpoint a common ancestor of both processes, or let the program close the connection first.",
                cause with
                {
                    Why = "The processes that hold the other ends are not part of the tree, and half a connection cannot be kept.",
                    Action = static _ => "Checkpoint a common ancestor of all of these processes, or let the program close the connections first.",
                });
            return;
        }

        subject.Offer(
            member.ProcessId,
            what,
            CracReason.UnixSocketExternal,
            "It only sends to a named socket, such as the system log's, and the restore connects it to that name again.",
            "Give -ExternalUnixSocket.",
            new OptionOffer(OptionTable.ExternalUnixSocket),
            cause with { Why = "They only send to named sockets, such as the system log's, and the restore connects them to those names again." });
    }

    private static void ExamineUnaccepted(
        PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, SocketEntry socket, HashSet<ulong> waiting)
    {
        if (waiting.Contains(socket.Inode))
        {
            if (socket.SendQueue > 0)
            {
                subject.Block(
                    member.ProcessId,
                    $"descriptor {descriptor.Number}: unix socket not accepted yet, {socket.SendQueue} bytes sent",
                    CracReason.UnixSocketExternal,
                    "Data sent on a connection that is not accepted yet cannot be kept.",
                    "Try again when the connection has been accepted.",
                    DescriptorCause.Of("unix sockets not accepted yet", descriptor, $"{socket.SendQueue} bytes sent") with
                    {
                        Why = "Data sent on connections that are not accepted yet cannot be kept.",
                        Action = static _ => "Try again when the connections have been accepted.",
                    });
            }
        }
        else if (socket.Shutdown != ShutBoth)
        {
            subject.Block(
                member.ProcessId,
                $"descriptor {descriptor.Number}: unix socket that nobody in the tree has accepted yet",
                CracReason.UnixSocketExternal,
                "The process it connects to is not part of the tree, and half a connection cannot be kept.",
                "Checkpoint a common ancestor of both processes, or let the program close the connection first.",
                DescriptorCause.Of("unix sockets that nobody in the tree has accepted yet", descriptor) with
                {
                    Why = "The processes they connect to are not part of the tree, and half a connection cannot be kept.",
                    Action = static _ => "Checkpoint a common ancestor of all of these processes, or let the program close the connections first.",
                });
        }
    }

    private static string NameOf(SocketEntry socket) => socket.UnixName ?? "without a name";
}
