using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;

namespace PSCrac.Starting;

/// <summary>
/// Asks a URI for its status, once. An HttpClient would keep its connection, which stands in the way of a checkpoint,
/// and takes longer for its first request than a restore does.
/// </summary>
internal static class HttpProbe
{
    private static readonly TimeSpan LongestDrain = TimeSpan.FromMilliseconds(250);

    /// <summary>The status of one GET; null where nothing that speaks HTTP answers in time.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static int? GetStatus(Uri uri, TimeSpan limit, CancellationToken cancellation) =>
        GetStatusAsync(uri, limit, cancellation).GetAwaiter().GetResult();

    /// <summary>The same, without waiting for it.</summary>
    internal static async Task<int?> GetStatusAsync(Uri uri, TimeSpan limit, CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ending.CancelAfter(limit);
        try
        {
            return await ConnectAndAskAsync(uri, ending.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
        {
            cancellation.ThrowIfCancellationRequested();
            return null;
        }
    }

    private static async Task<int?> ConnectAndAskAsync(Uri uri, CancellationToken cancellation)
    {
        IPAddress[] addresses = IPAddress.TryParse(uri.DnsSafeHost, out IPAddress? literal)
            ? [literal]
            : await Dns.GetHostAddressesAsync(uri.DnsSafeHost, cancellation).ConfigureAwait(false);
        SocketException? refusal = null;
        foreach (IPAddress address in addresses)
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, uri.Port), cancellation).ConfigureAwait(false);
            }
            catch (SocketException e)
            {
                // localhost often has an IPv6 address that nobody listens on.
                refusal = e;
                continue;
            }

            return await AskAsync(uri, socket, cancellation).ConfigureAwait(false);
        }

        throw refusal ?? new SocketException((int)SocketError.HostNotFound);
    }

    private static async Task<int?> AskAsync(Uri uri, Socket socket, CancellationToken cancellation)
    {
        var plain = new NetworkStream(socket, ownsSocket: false);
        await using ConfiguredAsyncDisposable disposingPlain = plain.ConfigureAwait(false);
        Stream stream = plain;
        if (uri.Scheme == Uri.UriSchemeHttps)
        {
            var secured = new SslStream(plain, leaveInnerStreamOpen: true);
            stream = secured;
            var options = new SslClientAuthenticationOptions { TargetHost = uri.DnsSafeHost, RemoteCertificateValidationCallback = static (_, _, _, _) => true };
            await secured.AuthenticateAsClientAsync(options, cancellation).ConfigureAwait(false);
        }

        byte[] request = Encoding.ASCII.GetBytes(
            $"GET {uri.PathAndQuery} HTTP/1.1\r\nHost: {uri.Authority}\r\nUser-Agent: PSCrac\r\nAccept: */*\r\nConnection: close\r\n\r\n");
        await stream.WriteAsync(request, cancellation).ConfigureAwait(false);

        byte[] buffer = new byte[4096];
        int filled = 0;
        int? status = null;
        while (status is null)
        {
            int read = await stream.ReadAsync(buffer.AsMemory(filled), cancellation).ConfigureAwait(false);
            if (read == 0)
            {
                return null;
            }

            filled += read;
            status = ParseStatus(buffer.AsSpan(0, filled));
        }

        await DrainAsync(stream, buffer, cancellation).ConfigureAwait(false);
        return status;
    }

    // Where the server closes first, as it was asked to, nothing of the connection is left in it.
    private static async Task DrainAsync(Stream stream, byte[] buffer, CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ending.CancelAfter(LongestDrain);
        try
        {
            while (await stream.ReadAsync(buffer, ending.Token).ConfigureAwait(false) > 0)
            {
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
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
