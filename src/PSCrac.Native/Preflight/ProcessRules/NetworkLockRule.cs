using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// criu blocks the packets of a network namespace that it dumps, and of each connection that it keeps outside of one (network_lock
/// and lock_connection in its net.c and sk-tcp.c). With iptables, its default, it runs programs for that. With nftables it runs
/// none, and a machine without these programs can restore the image, so nftables is chosen if criu supports it. This rule must run
/// after those that find namespaces and connections.
/// </summary>
internal sealed class NetworkLockRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        bool ofNamespace = subject.HasOwnNetwork;
        string what = ofNamespace ? "the lock of its network namespace" : "the lock of its connections";

        // Without root criu cannot lock the network, and fails before it would.
        if (!subject.Environment.IsPrivileged || (!ofNamespace && !KeepsConnections(subject)))
        {
            return;
        }

        string? missing = CriuPrograms.FindMissing(NetworkLock.IptablesPrograms(ofNamespace), subject.ProgramRoot);
        string? method = subject.Options.TextOf(NetworkLock.Option) ?? CriuConfigFile.FindInEffect(NetworkLock.Option);
        if (method is not null)
        {
            ExamineGiven(subject, what, method, missing);
            return;
        }

        bool? canUseNftables = NetworkLock.CanUseNftables(subject.Environment.CriuPath);
        if (canUseNftables == false && missing is not null)
        {
            subject.Block(
                null,
                what,
                CracReason.ProgramMissing,
                $"CRIU blocks packets until the restore. For that it needs nftables, which it reports it cannot use here, or iptables, for which {missing} is missing.",
                CriuPrograms.DescribeInstallation(missing));
        }
        else if (subject.ChooseOptions || (missing is not null && canUseNftables == true))
        {
            string best = canUseNftables == false || (canUseNftables is null && missing is null) ? NetworkLock.Iptables : NetworkLock.Nftables;
            string parameter = OptionTable.NetworkLock.Spelling(best);
            subject.Offer(
                null,
                what,
                CracReason.ProgramMissing,
                best == NetworkLock.Nftables
                    ? "CRIU blocks packets until the restore. With nftables it needs no program for that, neither here nor at the restore."
                    : "CRIU blocks packets until the restore. It reports that it cannot use nftables here, so the restore will need iptables as well.",
                $"Give {parameter}, or install the package iptables.",
                new OptionOffer(OptionTable.NetworkLock, best));
        }
    }

    private static void ExamineGiven(PreflightSubject subject, string what, string method, string? missing)
    {
        if (method == NetworkLock.Iptables && missing is not null)
        {
            subject.Block(
                null,
                what,
                CracReason.ProgramMissing,
                $"CRIU is told to block packets with iptables, for which {missing} is missing.",
                $"Leave out {NetworkLock.Option}. Or: {CriuPrograms.DescribeInstallation(missing)}");
        }
        else if (method == NetworkLock.Nftables && NetworkLock.CanUseNftables(subject.Environment.CriuPath) == false)
        {
            subject.Block(
                null,
                what,
                CracReason.KernelFeatureMissing,
                "CRIU is told to block packets with nftables, which it reports it cannot use here: the kernel lacks it (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET), or this criu was built without it.",
                missing is null ? $"Leave out {NetworkLock.Option}." : $"Leave out {NetworkLock.Option}. {CriuPrograms.DescribeInstallation(missing)}");
        }
    }

    private static bool KeepsConnections(PreflightSubject subject) =>
        subject.Options.TcpEstablished == true || subject.Findings.Exists(static finding => finding.CriuOption == "tcp-established");
}
