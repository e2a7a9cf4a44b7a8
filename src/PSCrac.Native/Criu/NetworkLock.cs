using System.Collections.Concurrent;

namespace PSCrac.Criu;

/// <summary>
/// How criu keeps packets away from frozen connections until they are restored: --network-lock (criu/net.c, netfilter.c). For
/// iptables, criu's default, it runs programs; for nftables it needs none, but a library that it was built with, and the kernel.
/// A restore unlocks by the method that the image was locked with, whatever it is told.
/// </summary>
internal static class NetworkLock
{
    /// <summary>criu's long name of the option.</summary>
    internal const string Option = "network-lock";

    internal const string Iptables = "iptables";
    internal const string Nftables = "nftables";

    /// <summary>criu's name of what lets it lock with nftables.</summary>
    internal const string Feature = "network_lock_nftables";
    private const string Ipv6 = "/proc/sys/net/ipv6";

    // What was there stays there while the same criu runs on the same kernel; what was missing may come.
    private static readonly ConcurrentDictionary<(string Path, DateTime Written), bool> s_supported = new();

    /// <summary>Asks criu whether it can lock with nftables here, which takes its own start; null where there is no criu to ask.</summary>
    /// <param name="criuPath">The criu; null to look for it.</param>
    internal static bool? CanUseNftables(string? criuPath)
    {
        try
        {
            return CanUseNftables(CriuInstallation.Locate(criuPath));
        }
        catch (CracException e) when (e.Reason is CracReason.CriuNotFound or CracReason.LibCriuNotFound or CracReason.CriuTooOld)
        {
            return null;
        }
    }

    /// <summary>
    /// The programs that the method iptables needs: a whole network namespace is locked by a restore of rules, a connection by
    /// a rule each, and both for each version of the protocol that the kernel has.
    /// </summary>
    internal static IEnumerable<string> IptablesPrograms(bool ofNamespace)
    {
        yield return "sh";
        yield return ofNamespace ? "iptables-restore" : "iptables";
        if (Directory.Exists(Ipv6))
        {
            yield return ofNamespace ? "ip6tables-restore" : "ip6tables";
        }
    }

    /// <summary>
    /// Whether rules of iptables can be saved ("save") or put back ("restore") in the variant that does not use nftables, which is
    /// the only one that criu takes for that (get_legacy_iptables_bin in its util.c).
    /// </summary>
    internal static bool HasLegacy(string verb, bool isIpv6, string root = "")
    {
        string family = isIpv6 ? "ip6tables" : "iptables";
        return CriuPrograms.Find($"{family}-legacy-{verb}", root) is not null
            || (CriuPrograms.Find($"{family}-{verb}", root) is { } plain && !IsNftVariant(root + plain));
    }

    private static bool CanUseNftables(CriuInstallation criu)
    {
        var key = (criu.CriuPath, File.GetLastWriteTimeUtc(criu.CriuPath));
        if (!s_supported.ContainsKey(key))
        {
            if (CriuEnvironment.RunCheck(criu, ["--feature", Feature]).Code != 0)
            {
                return false;
            }

            s_supported[key] = true;
        }

        return true;
    }

    // Distributions make the plain name a link to the program of one variant, such as xtables-nft-multi.
    private static bool IsNftVariant(string path)
    {
        try
        {
            return new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.Name.Contains("nft", StringComparison.Ordinal) == true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
