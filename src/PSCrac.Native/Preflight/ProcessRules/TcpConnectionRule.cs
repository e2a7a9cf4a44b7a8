using System.Net;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Open TCP connections: criu keeps or closes them only if it is told to (criu's sk-inet.c). If both ends are in the tree, keeping
/// them loses nothing; if one is outside, the caller must decide.
/// </summary>
internal sealed class TcpConnectionRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        HashSet<(IPEndPoint, IPEndPoint)> ends = FindEnds(subject);
        var seen = new HashSet<ulong>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach ((ProcessDescriptor descriptor, SocketEntry socket) in PreflightSubject.SocketsOf(member))
            {
                if (socket is { Protocol: SocketProtocol.Tcp, IsConnected: true } && seen.Add(socket.Inode))
                {
                    Report(subject, member, descriptor, socket, isInside: ends.Contains((socket.Remote!, socket.Local!)));
                }
            }
        }
    }

    private static HashSet<(IPEndPoint Local, IPEndPoint Remote)> FindEnds(PreflightSubject subject)
    {
        var ends = new HashSet<(IPEndPoint, IPEndPoint)>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach ((_, SocketEntry socket) in PreflightSubject.SocketsOf(member))
            {
                if (socket is { Protocol: SocketProtocol.Tcp, IsConnected: true, Local: { } local, Remote: { } remote })
                {
                    ends.Add((local, remote));
                }
            }
        }

        return ends;
    }

    private static void Report(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, SocketEntry socket, bool isInside)
    {
        string what = $"descriptor {descriptor.Number}: tcp {socket.Remote} {NameOf(socket.State)}";
        var cause = new FindingCause(
            isInside ? "tcp connections inside the tree" : "tcp connections that leave the tree", $"{socket.Remote} {NameOf(socket.State)}", $"descriptor {descriptor.Number}")
        {
            Key = socket.Inode,
        };
        CheckpointOptions options = subject.Options;
        if (options.TcpClose == true && options.TcpEstablished != true)
        {
            subject.Offer(
                member.ProcessId,
                what,
                CracReason.TcpConnectionOpen,
                "The program will find the connection closed after the restore.",
                "",
                new OptionOffer(OptionTable.TcpClose),
                cause with { Why = "The program will find the connections closed after the restore." });
            return;
        }

        var keep = new OptionOffer(OptionTable.TcpEstablished) { LosesNothing = isInside };
        if (isInside)
        {
            subject.Offer(
                member.ProcessId,
                what,
                CracReason.TcpConnectionOpen,
                "Both ends of the connection are in the tree, so it is kept with all data in transit.",
                "Give -TcpEstablished.",
                keep,
                cause with { Why = "Both ends of the connections are in the tree, so they are kept with all data in transit." });
        }
        else
        {
            subject.Offer(
                member.ProcessId,
                what,
                CracReason.TcpConnectionOpen,
                "The other end is outside the tree and keeps running. If the connection is kept, a firewall rule blocks it until the restore, and it is lost if the other end times out; if it is closed, the program has to connect again.",
                "Give -TcpEstablished to keep it, or -TcpClose to close it; or let the program close its connections first.",
                keep,
                cause with
                {
                    Why = "The other ends are outside the tree and keep running. If the connections are kept, firewall rules block them until the restore, and they are lost if the other ends time out; if they are closed, the program has to connect again.",
                    Action = static _ => "Give -TcpEstablished to keep them, or -TcpClose to close them; or let the program close its connections first.",
                });
        }
    }

    private static string NameOf(CracSocketState state) => state switch
    {
        CracSocketState.Established => "ESTABLISHED",
        CracSocketState.SynSent => "SYN_SENT",
        CracSocketState.SynReceived => "SYN_RECV",
        CracSocketState.FinWait1 => "FIN_WAIT1",
        CracSocketState.FinWait2 => "FIN_WAIT2",
        CracSocketState.CloseWait => "CLOSE_WAIT",
        CracSocketState.LastAck => "LAST_ACK",
        CracSocketState.Closing => "CLOSING",
        CracSocketState.TimeWait => "TIME_WAIT",
        _ => state.ToString(),
    };
}
