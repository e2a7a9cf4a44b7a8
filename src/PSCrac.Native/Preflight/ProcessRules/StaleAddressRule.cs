using System.Net;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Sockets bound to one address of this host instead of all: the host must have the address at the restore.</summary>
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
}
