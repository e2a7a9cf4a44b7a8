using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using PSCrac.Options;

namespace PSCrac.Criu;

/// <summary>
/// The rules by which criu keeps a frozen connection's packets away. A criu that was ended leaves them, and the
/// connection locked for good. With nftables they are one table named after the tree's root (criu/net.c).
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
            // No nft here: the failure's message says that the connection may be left locked.
        }
    }
}
