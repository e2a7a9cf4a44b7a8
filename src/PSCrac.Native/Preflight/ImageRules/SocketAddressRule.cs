using System.Net;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether ports are free and addresses are this host's, for the sockets that will be bound again.</summary>
internal sealed class SocketAddressRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        if (subject.HoldsNamespace("net"))
        {
            return;
        }

        IReadOnlyList<string>? addresses = null;
        SocketTable? table = null;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (CracImageSocket socket in subject.Image.Sockets)
        {
            if (socket.Family is not (CracSocketFamily.Inet or CracSocketFamily.Inet6) || !IPEndPoint.TryParse(socket.Local, out IPEndPoint? local)
                || local.Port == 0 || !seen.Add($"{socket.Protocol} {local} {socket.Remote}"))
            {
                continue;
            }

            string what = $"{socket.Protocol} {local}";
            addresses ??= LocalAddresses.Read(System.Environment.ProcessId);
            if (!IsOurs(local.Address, addresses))
            {
                subject.Block(
                    socket.ProcessId,
                    $"{what}: an address this host does not have",
                    CracReason.AddressUnavailable,
                    "The socket was bound to this very address.",
                    $"Restore where {local.Address} is, or add the address here: ip address add {local.Address} dev INTERFACE");
                continue;
            }

            table ??= ReadTable();
            if (socket.Remote.Length == 0 && FindRival(table, socket.Protocol, local) is { } rival)
            {
                subject.Block(
                    socket.ProcessId,
                    $"{what}: taken{SocketOwner.Describe(rival.Inode)}",
                    CracReason.AddressUnavailable,
                    "Another process has the port that the restored one will bind to again.",
                    "End that process, or restore the image in a network namespace of its own.");
            }
        }
    }

    private static SocketTable ReadTable()
    {
        using ProcessDirectory own = ProcessDirectory.TryOpen(System.Environment.ProcessId)!;
        return SocketTable.Read(own, isOwnNamespace: true, wanted: null, new HashSet<SocketProtocol> { SocketProtocol.Tcp, SocketProtocol.Udp, SocketProtocol.UdpLite });
    }

    private static bool IsOurs(IPAddress address, IReadOnlyList<string> addresses)
    {
        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return plain.Equals(IPAddress.Any) || plain.Equals(IPAddress.IPv6Any) || IPAddress.IsLoopback(plain)
            || plain.IsIPv6LinkLocal || plain.IsIPv6Multicast || addresses.Contains(plain.ToString());
    }

    private static SocketEntry? FindRival(SocketTable table, string protocol, IPEndPoint local)
    {
        foreach (SocketEntry other in table.Sockets)
        {
            bool same = protocol switch
            {
                "tcp" => other is { Protocol: SocketProtocol.Tcp, State: SocketState.Listen },
                "udp" => other is { Protocol: SocketProtocol.Udp, Remote.Port: 0 },
                "udplite" => other is { Protocol: SocketProtocol.UdpLite, Remote.Port: 0 },
                _ => false,
            };
            if (same && other.Local is { } bound && bound.Port == local.Port && Overlap(bound.Address, local.Address))
            {
                return other;
            }
        }

        return null;
    }

    private static bool Overlap(IPAddress first, IPAddress second)
    {
        bool any = first.Equals(IPAddress.IPv6Any) || second.Equals(IPAddress.IPv6Any)
            || (first.AddressFamily == second.AddressFamily && (first.Equals(IPAddress.Any) || second.Equals(IPAddress.Any)));
        return any || first.Equals(second);
    }
}
