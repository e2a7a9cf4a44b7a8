namespace PSCrac.Criu;

/// <summary>
/// How criu blocks packets to frozen connections until their restore: --network-lock (criu/net.c, netfilter.c). For iptables,
/// criu's default, it runs programs; for nftables it needs none, but must be built with libnftables, and the kernel must support
/// it. A restore unlocks with the method of the checkpoint, whatever its own option says.
/// </summary>
internal static class NetworkLock
{
    /// <summary>criu's long name of the option.</summary>
    internal const string Option = "network-lock";

    internal const string Iptables = "iptables";
    internal const string Nftables = "nftables";

    /// <summary>criu's name of the feature that allows a lock with nftables.</summary>
    internal const string Feature = "network_lock_nftables";
    private const string Ipv6 = "/proc/sys/net/ipv6";

    /// <summary>Whether criu can lock with nftables here, by running criu; null if there is no criu.</summary>
    /// <param name="criuPath">The criu to run; null to search for it.</param>
    internal static bool? CanUseNftables(string? criuPath) => CriuFeature.IsSupported(criuPath, Feature);

    /// <summary>
    /// The programs that the method iptables needs. A whole network namespace is locked by a restore of rules, a connection by one
    /// rule; both once for each IP version of the kernel.
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
    /// Whether iptables rules can be saved ("save") or restored ("restore") with the legacy variant, which does not use nftables
    /// and is the only one that criu runs for that (get_legacy_iptables_bin in its util.c).
    /// </summary>
    internal static bool HasLegacy(string verb, bool isIpv6, string root = "")
    {
        string family = isIpv6 ? "ip6tables" : "iptables";
        return CriuPrograms.Find($"{family}-legacy-{verb}", root) is not null
            || (CriuPrograms.Find($"{family}-{verb}", root) is { } plain && !IsNftVariant(root + plain));
    }

    // On most distributions the plain name is a link to one variant, such as xtables-nft-multi.
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
