using System.Net;
using System.Net.Sockets;

namespace PSCrac.Preflight.Subjects;

/// <summary>
/// criu probes the kernel with a connection to 127.0.0.1 (kerndat_tcp_repair in its kerndat.c), and ends where the network
/// namespace that it runs in has its loopback interface down. A criu that finds its cache of kernel features does not probe.
/// </summary>
internal static class LoopbackProbe
{
    internal const string What = "the loopback interface of this network namespace, which is down";
    internal const string Why = "CRIU probes the kernel over 127.0.0.1 when it starts, and ends where that cannot be reached.";
    internal const string RecommendedAction = "Bring the interface up: ip link set lo up";

    /// <summary>Whether criu will fail to start.</summary>
    internal static bool StopsCriu() => !IsUp() && !File.Exists("/run/criu.kdat");

    private static bool IsUp()
    {
        try
        {
            // Connecting a datagram socket sends nothing; it only needs a route.
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(IPAddress.Loopback, 9);
            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode is not (SocketError.NetworkUnreachable or SocketError.HostUnreachable or SocketError.NetworkDown);
        }
    }
}
