using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>UDP and similar sockets are restored, but not received datagrams that were not read (criu's sk-inet.c).</summary>
internal sealed class DatagramSocketRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach ((ProcessDescriptor descriptor, SocketEntry socket) in PreflightSubject.SocketsOf(member))
            {
                if (socket is { Protocol: SocketProtocol.Udp or SocketProtocol.UdpLite or SocketProtocol.Icmp or SocketProtocol.Raw, ReceiveQueue: > 0 })
                {
                    subject.Warn(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: {socket.Protocol.ToString().ToLowerInvariant()} {socket.Local}, {socket.ReceiveQueue} bytes not read",
                        CracReason.ResourceUnsupported,
                        "Received datagrams that were not read are dropped.",
                        "Nothing needs to be done if the protocol tolerates lost datagrams, as most do; otherwise try again when the program has read them.",
                        new("sockets with datagrams not read", $"{socket.Protocol.ToString().ToLowerInvariant()} {socket.Local}", $"descriptor {descriptor.Number}") { Key = socket.Inode });
                }
            }
        }
    }
}
