using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Connections that wait to be accepted have no descriptor yet through which criu could save them (criu's sk-inet.c).</summary>
internal sealed class TcpListenerRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        var seen = new HashSet<ulong>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach ((ProcessDescriptor descriptor, SocketEntry socket) in PreflightSubject.SocketsOf(member))
            {
                if (socket is not { Protocol: SocketProtocol.Tcp, State: CracSocketState.Listening, ReceiveQueue: > 0 } || !seen.Add(socket.Inode))
                {
                    continue;
                }

                subject.Offer(
                    member.ProcessId,
                    $"descriptor {descriptor.Number}: tcp {socket.Local} LISTEN, {socket.ReceiveQueue} waiting to be accepted",
                    CracReason.TcpConnectionOpen,
                    "A client has connected and was not accepted yet; such a connection cannot be kept.",
                    "Try again when the program has accepted them, or give -SkipInFlight, which drops them.",
                    new OptionOffer(OptionTable.SkipInFlight),
                    new("listening sockets with connections not accepted", $"tcp {socket.Local}", $"descriptor {descriptor.Number}") { Key = socket.Inode });
            }
        }
    }
}
