using System.Net;
using PSCrac.Common;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether the ports are free and the host has the addresses of the sockets that will be bound again.</summary>
internal sealed class SocketAddressRule : ImageRule
{
    // criu does not work if lo is down.
    internal const string RestoreInOwnNetwork = "restore from a session in its own network namespace, which cannot be reached from outside: unshare --net sh -c 'ip link set lo up; exec pwsh'";

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
            if (socket is { Protocol: "tcp", Remote.Length: > 0 } && !IsKept(subject, socket, what))
            {
                continue;
            }

            addresses ??= LocalAddresses.Read(System.Environment.ProcessId);
            if (!IsLocal(local.Address, addresses) && !MayBeForeign(socket, local.Address))
            {
                subject.Block(
                    socket.ProcessId,
                    $"{what}: an address this host does not have",
                    CracReason.AddressUnavailable,
                    "The socket was bound to this address.",
                    $"Restore on a host that has {local.Address}, or add the address to an interface here: ip address add {local.Address} dev lo",
                    new($"sockets bound to {local.Address}, an address this host does not have", what)
                    {
                        Why = "They were bound to this address.",
                        NamesProcess = false,
                    });
                continue;
            }

            table ??= ReadTable();
            if (socket.Remote.Length == 0 && FindConflict(table, socket.Protocol, local) is { } conflict)
            {
                ReportConflict(subject, socket, what, SocketOwner.Find(conflict.Inode));
            }
        }
    }

    /// <summary>Whether a connection is kept, which needs its address. It is a blocker if no option says what to do with it.</summary>
    private static bool IsKept(ImageSubject subject, CracImageSocket socket, string what)
    {
        if (subject.HasOption("tcp-close"))
        {
            return false;
        }

        if (!subject.HasOption("tcp-established"))
        {
            subject.Block(
                socket.ProcessId,
                $"{what}, connected to {socket.Remote}",
                CracReason.TcpConnectionOpen,
                "The image holds an open connection, and no option says what to do with it.",
                "Give -TcpEstablished to keep it, or -TcpClose to close it.",
                new("open connections", $"{what} to {socket.Remote}")
                {
                    Why = "The image holds open connections, and no option says what to do with them.",
                    Action = static _ => "Give -TcpEstablished to keep them, or -TcpClose to close them.",
                    NamesProcess = false,
                });
        }

        return true;
    }

    // criu binds with SO_REUSEADDR and SO_REUSEPORT set (its sk-inet.c), so the other socket decides whether it gets the port. A
    // socket that shared its port at the checkpoint most likely meets another one that shares it.
    private static void ReportConflict(ImageSubject subject, CracImageSocket socket, string what, (string Name, int ProcessId)? owner)
    {
        string taken = owner is var (name, id) ? $"taken by {name} ({id})" : "taken";
        string end = owner is null ? "End that process, which ss -lnp shows to root" : $"End that process (Stop-Process -Id {owner.Value.ProcessId})";
        var cause = new FindingCause("ports", what, taken) { Argument = owner is null ? "" : $"{owner.Value.ProcessId}", NamesProcess = false };
        bool shares = socket.Options is { } options && (options.GetFlag("so_reuseport") || (socket.Protocol != "tcp" && options.GetFlag("reuseaddr")));
        if (shares)
        {
            subject.Warn(
                socket.ProcessId,
                $"{what}: {taken}",
                CracReason.AddressUnavailable,
                "Another process has the port. The restore works only if that process shares it, too (SO_REUSEPORT).",
                $"{end}, if it does not.",
                cause with
                {
                    Why = "Other processes have the ports. The restore works only if those processes share them, too (SO_REUSEPORT).",
                    Action = static owners => $"{EndAll(owners)}, if they do not.",
                });
        }
        else
        {
            subject.Block(
                socket.ProcessId,
                $"{what}: {taken}",
                CracReason.AddressUnavailable,
                "Another process has the port that the restored process will bind.",
                $"{end}, or {RestoreInOwnNetwork}",
                cause with
                {
                    Why = "Other processes have the ports that the restored processes will bind.",
                    Action = static owners => $"{EndAll(owners)}, or {RestoreInOwnNetwork}",
                });
        }
    }

    private static string EndAll(IReadOnlyList<string> owners)
    {
        string[] known = [.. owners.Where(static owner => owner.Length > 0).Distinct()];
        return known.Length == 0 ? "End those processes, which ss -lnp shows to root" : $"End those processes (Stop-Process -Id {string.Join(", ", known)})";
    }

    /// <summary>The sockets with ports of this network namespace.</summary>
    internal static SocketTable ReadTable()
    {
        using ProcessDirectory own = ProcessDirectory.TryOpen(System.Environment.ProcessId)!;
        return SocketTable.Read(own, isOwnNamespace: true, wanted: null, new HashSet<SocketProtocol> { SocketProtocol.Tcp, SocketProtocol.Udp, SocketProtocol.UdpLite });
    }

    private static bool IsLocal(IPAddress address, IReadOnlyList<string> addresses)
    {
        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return plain.Equals(IPAddress.Any) || plain.Equals(IPAddress.IPv6Any) || IPAddress.IsLoopback(plain)
            || plain.IsIPv6LinkLocal || plain.IsIPv6Multicast || addresses.Contains(plain.ToString());
    }

    // criu sets IPV6_FREEBIND (ipv6(7)) before it binds, but IP_FREEBIND only afterwards (inet_bind() in its sk-inet.c).
    private static bool MayBeForeign(CracImageSocket socket, IPAddress address) =>
        (socket.Family == CracSocketFamily.Inet6 && socket.Details.GetRecord("ip_opts")?.GetFlag("freebind") == true) || LocalAddresses.CanBind(address);

    /// <summary>The socket of a table that has a port already; null for none.</summary>
    internal static SocketEntry? FindConflict(SocketTable table, string protocol, IPEndPoint local)
    {
        foreach (SocketEntry other in table.Sockets)
        {
            bool same = protocol switch
            {
                "tcp" => other is { Protocol: SocketProtocol.Tcp, State: CracSocketState.Listening },
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
