using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using PSCrac.Options;

namespace PSCrac.Criu;

/// <summary>
/// The firewall rules by which criu blocks the packets of a frozen connection. A criu that was killed leaves them, and the
/// connection stays blocked. With nftables they are one table named after the tree's root (criu/net.c).
/// </summary>
internal static class NetworkLockRules
{
    internal static void Remove(int rootProcessId, CriuOptions options)
    {
        if (options.TcpEstablished != true)
        {
            return;
        }

        string table = string.Create(CultureInfo.InvariantCulture, $"CRIU-{rootProcessId}");
        try
        {
            using Process? nft = Process.Start(new ProcessStartInfo("nft", ["delete", "table", "inet", table]) { RedirectStandardError = true });
            nft?.WaitForExit(TimeSpan.FromSeconds(5));
        }
        catch (Win32Exception)
        {
            // Without nft the rules stay; the failure's message says that the connection may be left locked.
        }
    }
}
