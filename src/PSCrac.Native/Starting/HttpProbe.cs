using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;

namespace PSCrac.Starting;

/// <summary>
/// Asks a URI for its status, once. An HttpClient would keep its connection, which stands in the way of a checkpoint,
/// and takes longer for its first request than a restore does. The calls block: each continuation of an asynchronous one
/// waits for a processor, of which a restored tree leaves none idle.
/// </summary>
internal static class HttpProbe
{
    private static readonly TimeSpan LongestDrain = TimeSpan.FromMilliseconds(250);

    /// <summary>The status of one GET; null where nothing that speaks HTTP answers in time.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static int? GetStatus(Uri uri, TimeSpan limit, CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ending.CancelAfter(limit);
        try
        {
            return ConnectAndAsk(uri, ending.Token);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException or AuthenticationException)
        {
            cancellation.ThrowIfCancellationRequested();
            return null;
        }
    }

    private static int? ConnectAndAsk(Uri uri, CancellationToken ending)
    {
        IPAddress[] addresses = IPAddress.TryParse(uri.DnsSafeHost, out IPAddress? literal) ? [literal]
            : Dns.GetHostAddressesAsync(uri.DnsSafeHost, ending).GetAwaiter().GetResult();
        foreach (IPAddress address in addresses)
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

            // Closing it ends a call that blocks.
            using CancellationTokenRegistration closing = ending.Register(socket.Dispose);
            try
            {
                socket.Connect(new IPEndPoint(address, uri.Port));
            }
            catch (SocketException) when (!ending.IsCancellationRequested)
            {
                // localhost often has an IPv6 address that nobody listens on.
                continue;
            }

            return Ask(uri, socket);
        }

        return null;
    }

    private static int? Ask(Uri uri, Socket socket)
    {
        using var plain = new NetworkStream(socket, ownsSocket: false);
        if (uri.Scheme != Uri.UriSchemeHttps)
        {
            return Ask(uri, socket, plain);
        }

        using var secured = new SslStream(plain, leaveInnerStreamOpen: true);
        secured.AuthenticateAsClient(new SslClientAuthenticationOptions
        {
            TargetHost = uri.DnsSafeHost,

            // Whether the program answers is asked, not who it is: its certificate is often for another name, and nothing is told it.
#pragma warning disable CA5359
            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
#pragma warning restore CA5359
        });
        return Ask(uri, socket, secured);
    }

    private static int? Ask(Uri uri, Socket socket, Stream stream)
    {
        stream.Write(Encoding.ASCII.GetBytes(
            $"GET {uri.PathAndQuery} HTTP/1.1\r\nHost: {uri.Authority}\r\nUser-Agent: PSCrac\r\nAccept: */*\r\nConnection: close\r\n\r\n"));

        byte[] buffer = new byte[4096];
        int filled = 0;
        int? status = null;
        while (status is null)
        {
            int read = stream.Read(buffer.AsSpan(filled));
            if (read == 0)
            {
                return null;
            }

            filled += read;
            status = ParseStatus(buffer.AsSpan(0, filled));
        }

        Drain(socket, stream, buffer);
        return status;
    }

    // Where the server closes first, as it was asked to, nothing of the connection is left in it.
    private static void Drain(Socket socket, Stream stream, byte[] buffer)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            do
            {
                TimeSpan left = LongestDrain - Stopwatch.GetElapsedTime(start);
                socket.ReceiveTimeout = Math.Max(1, (int)left.TotalMilliseconds);
            }
            while (stream.Read(buffer) > 0 && Stopwatch.GetElapsedTime(start) < LongestDrain);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The status is known; an answer without an end does not change it.
        }
    }

    // HTTP/1.1 200 OK
    private static int? ParseStatus(ReadOnlySpan<byte> response)
    {
        int blank = response.IndexOf((byte)' ');
        return response.StartsWith("HTTP/"u8) && blank > 0 && response.Length >= blank + 4
            && int.TryParse(response.Slice(blank + 1, 3), out int status) ? status : null;
    }
}
