using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using PSCrac.Common;

namespace PSCrac.Starting;

/// <summary>
/// Sends one GET request to a URI. An HttpClient would keep its connection, which prevents a checkpoint, and its first request takes
/// longer than a restore. The calls block: each continuation of an asynchronous call would wait for a processor, of which a
/// restored tree leaves none idle.
/// </summary>
internal static class HttpProbe
{
    private static readonly TimeSpan MaximumDrainTime = TimeSpan.FromMilliseconds(250);

    /// <summary>The status of one GET; null where there is no HTTP response in time.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static int? GetStatus(Uri uri, TimeSpan limit, CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ending.CancelAfter(limit);
        try
        {
            return ConnectAndRequest(uri, ending.Token);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException or AuthenticationException)
        {
            cancellation.ThrowIfCancellationRequested();
            return null;
        }
    }

    /// <summary>Refuses an https address where nothing can speak it.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ProgramMissing"/>.</exception>
    internal static void RequireUsable(Uri uri)
    {
        if (uri.Scheme == Uri.UriSchemeHttps && !OpenSsl.IsAvailable)
        {
            throw new CracException(
                CracReason.ProgramMissing, $"{uri} cannot be asked: there is no OpenSSL here, which https needs.", "Install libssl3, or give an http address of the program.");
        }
    }

    private static int? ConnectAndRequest(Uri uri, CancellationToken ending)
    {
        IPAddress[] addresses = IPAddress.TryParse(uri.DnsSafeHost, out IPAddress? literal) ? [literal]
            : Dns.GetHostAddressesAsync(uri.DnsSafeHost, ending).GetAwaiter().GetResult();
        foreach (IPAddress address in addresses)
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

            // Closing the socket ends a blocking call.
            using CancellationTokenRegistration closing = ending.Register(socket.Dispose);
            try
            {
                socket.Connect(new IPEndPoint(address, uri.Port));
            }
            catch (SocketException) when (!ending.IsCancellationRequested)
            {
                // localhost often has an IPv6 address that no program listens on.
                continue;
            }

            return SendRequest(uri, socket);
        }

        return null;
    }

    private static int? SendRequest(Uri uri, Socket socket)
    {
        using var plain = new NetworkStream(socket, ownsSocket: false);
        if (uri.Scheme != Uri.UriSchemeHttps)
        {
            return SendRequest(uri, socket, plain);
        }

        using var secured = new SslStream(plain, leaveInnerStreamOpen: true);
        secured.AuthenticateAsClient(new SslClientAuthenticationOptions
        {
            TargetHost = uri.DnsSafeHost,

            // The check is whether the program answers, not who it is: its certificate is often for another name, and no secret is sent.
#pragma warning disable CA5359
            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
#pragma warning restore CA5359
        });
        return SendRequest(uri, socket, secured);
    }

    private static int? SendRequest(Uri uri, Socket socket, Stream stream)
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

    // Where the server closes first, as the request asks for, it keeps no part of the connection.
    private static void Drain(Socket socket, Stream stream, byte[] buffer)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            do
            {
                TimeSpan left = MaximumDrainTime - Stopwatch.GetElapsedTime(start);
                socket.ReceiveTimeout = Math.Max(1, (int)left.TotalMilliseconds);
            }
            while (stream.Read(buffer) > 0 && Stopwatch.GetElapsedTime(start) < MaximumDrainTime);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The status is known; a response that does not end does not change it.
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
