using System.Net;
using System.Net.Sockets;
using PSCrac.Common;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Sockets bound to one address of this host instead of all: the host must have the address at the restore. An IPv4 address that it does
/// not have even now (IP_FREEBIND) cannot be bound again: criu sets that option after the bind (inet_bind() in criu's sk-inet.c).
/// </summary>
internal sealed class StaleAddressRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        var seen = new HashSet<ulong>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach ((ProcessDescriptor descriptor, SocketEntry socket) in PreflightSubject.SocketsOf(member))
            {
                if (socket.Local is not { Port: > 0 } local || (socket.Protocol == SocketProtocol.Tcp && socket.State != CracSocketState.Listening)
                    || IPAddress.IsLoopback(local.Address) || local.Address.Equals(IPAddress.Any) || local.Address.Equals(IPAddress.IPv6Any)
                    || !seen.Add(socket.Inode))
                {
                    continue;
                }

                if (local.Address.AddressFamily == AddressFamily.InterNetwork && !subject.HasOwnNetwork && !LocalAddresses.CanBind(local.Address))
                {
                    ReportForeign(subject, member, descriptor, socket, $"{socket.Protocol.ToString().ToLowerInvariant()} {local}");
                    continue;
                }

                subject.Warn(
                    member.ProcessId,
                    $"descriptor {descriptor.Number}: {socket.Protocol.ToString().ToLowerInvariant()} bound to {local}",
                    CracReason.AddressUnavailable,
                    "The restore needs this address; it fails on a host that does not have it, or after a new lease with another one.",
                    "Let the program bind to 0.0.0.0 or ::, or restore it on a host that has the address.",
                    new("sockets bound to an address of this host", $"{socket.Protocol.ToString().ToLowerInvariant()} {local}", $"descriptor {descriptor.Number}")
                    {
                        Key = socket.Inode,
                        Why = "The restore needs these addresses; it fails on a host that does not have them, or after a new lease with others.",
                        Action = static _ => "Let the program bind to 0.0.0.0 or ::, or restore it on a host that has the addresses.",
                    });
            }
        }
    }

    private static void ReportForeign(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, SocketEntry socket, string what) => subject.Block(
        member.ProcessId,
        $"descriptor {descriptor.Number}: {what}, an address this host does not have (IP_FREEBIND)",
        CracReason.AddressUnavailable,
        "CRIU binds an IPv4 socket before it sets IP_FREEBIND, so that the restore would fail.",
        "Let the kernel bind to such addresses: sysctl net.ipv4.ip_nonlocal_bind=1",
        new("IPv4 sockets bound to addresses this host does not have (IP_FREEBIND)", what, $"descriptor {descriptor.Number}")
        {
            Key = socket.Inode,
            Why = "CRIU binds IPv4 sockets before it sets IP_FREEBIND, so that the restore would fail.",
        });
}
