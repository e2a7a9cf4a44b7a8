using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Sockets of families or protocols that criu does not support (criu's sockets.c and sk-inet.c).</summary>
internal sealed class SocketFamilyRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach ((ProcessDescriptor descriptor, SocketEntry socket) in PreflightSubject.SocketsOf(member))
            {
                if (socket.Protocol == SocketProtocol.MultipathTcp)
                {
                    subject.Block(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: multipath tcp {socket.Local}".TrimEnd(),
                        CracReason.ResourceUnsupported,
                        "CRIU supports TCP, but not multipath TCP.",
                        "Turn it off in the program; for Go programs set GODEBUG=multipathtcp=0.",
                        DescriptorCause.Of("multipath tcp sockets", descriptor, socket.Local?.ToString()));
                }
                else if (socket is { Protocol: SocketProtocol.Other, ProtocolName: { } name })
                {
                    subject.Block(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: socket of protocol {name}",
                        CracReason.ResourceUnsupported,
                        "CRIU does not support this kind of socket.",
                        "The program would have to close it before the checkpoint and open it after the restore.",
                        DescriptorCause.Of($"sockets of protocol {name}", descriptor) with
                        {
                            Action = static _ => "The program would have to close them before the checkpoint and open them after the restore.",
                        });
                }
            }
        }
    }
}
