namespace PSCrac.Criu;

/// <summary>
/// How criu keeps packets away from a frozen connection. It calls iptables unless told otherwise, but is built with
/// libnftables and needs no program for that.
/// </summary>
internal static class NetworkLock
{
    /// <summary>CRIU_NETWORK_LOCK_NFTABLES of criu.h.</summary>
    internal const int Nftables = 2;

    /// <summary>Where iptables, which criu calls for each connection (criu/netfilter.c), is; null where it is not.</summary>
    internal static string? FindIptables()
    {
        string path = Environment.GetEnvironmentVariable("PATH") ?? string.Empty;
        foreach (string folder in (IEnumerable<string>)[.. path.Split(':', StringSplitOptions.RemoveEmptyEntries), "/usr/sbin", "/sbin"])
        {
            string candidate = Path.Combine(folder, "iptables");
            if (File.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }

    internal static bool HasIptables() => FindIptables() is not null;
}
