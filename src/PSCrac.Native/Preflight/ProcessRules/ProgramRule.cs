using System.Globalization;
using PSCrac.Criu;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Programs that criu runs to save namespaces: ip for addresses, routes and rules, iptables-save for rules that are not in nftables
/// (its net.c), tar and gzip for the files of a tmpfs (its filesystems.c). Without ip, tar or gzip it fails; without iptables-save
/// it does not save the iptables rules.
/// </summary>
internal sealed class ProgramRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        if (subject.HasOwnNetwork && !subject.Options.Has("empty-ns") && !IsExternal(subject))
        {
            Require(subject, "its network namespace", "CRIU runs ip to read the addresses and routes of a network namespace.", "ip");
            ExamineTables(subject, isIpv6: false);
            ExamineTables(subject, isIpv6: true);
        }

        // The mounts of a namespace that criu enters are not saved.
        if (subject.HasOwnMounts && FindTmpfs(subject) is { } tmpfs)
        {
            Require(subject, $"the tmpfs at {tmpfs.Point}", "CRIU runs tar and gzip to save the files of a tmpfs in the image.", "tar", "gzip");
        }
    }

    private static void Require(PreflightSubject subject, string what, string why, params string[] programs)
    {
        if (CriuPrograms.FindMissing(programs, subject.ProgramRoot) is { } missing)
        {
            subject.Block(null, $"{what}: there is no {missing}", CracReason.ProgramMissing, why, CriuPrograms.DescribeInstallation(missing));
        }
    }

    private static void ExamineTables(PreflightSubject subject, bool isIpv6)
    {
        string family = isIpv6 ? "ip6" : "ip";
        int root = subject.Tree.Root.ProcessId;
        if (!NetworkLock.HasLegacy("save", isIpv6, subject.ProgramRoot) && HasTables(root, family))
        {
            subject.Warn(
                root,
                $"{family}tables rules in its network namespace",
                CracReason.ProgramMissing,
                $"Without the program {family}tables-legacy-save CRIU does not save them, and the restored namespace has none.",
                CriuPrograms.DescribeInstallation($"{family}tables"));
        }
    }

    // The kernel lists the tables that are in use in the namespace, one per line.
    private static bool HasTables(int processId, string family)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/net/{family}_tables_names")).Length > 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    // criu's --external net[INODE]:NAME is a network namespace that the caller recreates.
    private static bool IsExternal(PreflightSubject subject) =>
        subject.Options.TextOf("external")?.Contains("net[", StringComparison.Ordinal) == true;

    private static MountPoint? FindTmpfs(PreflightSubject subject)
    {
        MountTable? previous = null;
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            if (member.Mounts is { } table && table != previous)
            {
                foreach (MountPoint mount in table.Mounts)
                {
                    if (mount.FileSystem == "tmpfs")
                    {
                        return mount;
                    }
                }

                previous = table;
            }
        }

        return null;
    }
}
