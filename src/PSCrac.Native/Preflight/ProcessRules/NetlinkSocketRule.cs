using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Netlink sockets can be saved while their receive queue is empty (criu's sk-netlink.c).</summary>
internal sealed class NetlinkSocketRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach ((ProcessDescriptor descriptor, SocketEntry socket) in PreflightSubject.SocketsOf(member))
            {
                if (socket is { Protocol: SocketProtocol.Netlink, ReceiveQueue: > 0 })
                {
                    subject.Block(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: netlink socket, {socket.ReceiveQueue} bytes not read",
                        CracReason.ResourceUnsupported,
                        "Received messages from the kernel that were not read cannot be saved.",
                        "Try again when the program has read them.",
                        DescriptorCause.Of("netlink sockets with messages not read", descriptor));
                }
            }
        }
    }
}
