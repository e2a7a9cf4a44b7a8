using System.Net.Sockets;
using System.Net;
using System.Text;

namespace PSCrac.Procfs;

/// <summary>
/// The IP addresses of a process's network namespace: /proc/PID/net/fib_trie and if_inet6, which are readable
/// without entering the namespace.
/// </summary>
internal static class LocalAddresses
{
    /// <summary>
    /// Whether a socket can be bound to an address in this network namespace: one that an interface has, a multicast or broadcast
    /// address, or any with net.ipv4.ip_nonlocal_bind.
    /// </summary>
    internal static bool CanBind(IPAddress address)
    {
        using var probe = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            probe.Bind(new IPEndPoint(address, 0));
            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode != SocketError.AddressNotAvailable;
        }
    }

    /// <summary>The addresses as text, without loopback and link-local ones; empty if the process has ended.</summary>
    internal static IReadOnlyList<string> Read(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        var addresses = new List<string>();
        if (directory is null)
        {
            return addresses;
        }

        if (directory.TryRead("net/fib_trie", out ProcText routes, expectedLength: 4096))
        {
            using (routes)
            {
                AddVersion4(addresses, routes.Bytes);
            }
        }

        if (directory.TryRead("net/if_inet6", out ProcText interfaces, expectedLength: 1024))
        {
            using (interfaces)
            {
                AddVersion6(addresses, interfaces.Bytes);
            }
        }

        return addresses;
    }

    private static void AddVersion4(List<string> addresses, ReadOnlySpan<byte> text)
    {
        // A line "|-- 10.0.0.5" is followed by its type: "/32 host LOCAL" for a local address.
        string candidate = "";
        var lines = new AsciiReader(text);
        while (lines.TryReadLine(out ReadOnlySpan<byte> line))
        {
            int mark = line.IndexOf("|-- "u8);
            if (mark >= 0)
            {
                candidate = Encoding.ASCII.GetString(line[(mark + 4)..]);
            }
            else if (line.IndexOf("host LOCAL"u8) >= 0 && !candidate.StartsWith("127.", StringComparison.Ordinal) && !addresses.Contains(candidate))
            {
                addresses.Add(candidate);
            }
        }
    }

    private static void AddVersion6(List<string> addresses, ReadOnlySpan<byte> text)
    {
        // fe80000000000000020c29fffe0a0b0c 02 40 20 80     eth0
        var lines = new AsciiReader(text);
        while (lines.TryReadLine(out ReadOnlySpan<byte> line))
        {
            ReadOnlySpan<byte> digits = new AsciiReader(line).ReadWord();
            if (digits.Length != 32)
            {
                continue;
            }

            var address = new IPAddress(Convert.FromHexString(Encoding.ASCII.GetString(digits)));
            if (!address.IsIPv6LinkLocal && !IPAddress.IsLoopback(address))
            {
                addresses.Add(address.ToString());
            }
        }
    }
}
