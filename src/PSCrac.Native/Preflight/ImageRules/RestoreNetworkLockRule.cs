using PSCrac.Criu;
using PSCrac.Images.Format;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// A restore unlocks the network with the method of the checkpoint (check_img_inventory in criu's image.c), and continues if that
/// fails (network_unlock in its net.c): the restored processes then run, and no packet reaches them. The lock of a network
/// namespace is in the image; that of a connection outside of one stays in the firewall of its machine until a reboot.
/// </summary>
internal sealed class RestoreNetworkLockRule : ImageRule
{
    // enum NETWORK_LOCK_METHOD of criu's cr_options.h. An older criu locked with iptables, and recorded nothing.
    private const int Iptables = 0;
    private const int Nftables = 1;

    internal override void Examine(ImageSubject subject)
    {
        bool ofNamespace = subject.HoldsNamespace("net");
        if (!subject.Environment.IsPrivileged || (!ofNamespace && !HasLockedHere(subject)))
        {
            return;
        }

        string what = ofNamespace ? "the lock of its network namespace" : "the lock of its connections";
        switch (ReadMethod(subject))
        {
            case Iptables when CriuPrograms.FindMissing(NetworkLock.IptablesPrograms(ofNamespace)) is { } missing:
                subject.Block(
                    null,
                    what,
                    CracReason.ProgramMissing,
                    $"The checkpoint blocked packets with iptables, and only iptables can unblock them. There is no {missing} here.",
                    CriuPrograms.DescribeInstallation(missing));
                break;
            case Nftables when NetworkLock.CanUseNftables(subject.Environment.CriuPath) == false:
                subject.Block(
                    null,
                    what,
                    CracReason.KernelFeatureMissing,
                    "The checkpoint blocked packets with nftables, and only nftables can unblock them. CRIU reports that it cannot use nftables here.",
                    "Restore with a criu that was built with libnftables, on a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET.");
                break;
        }
    }

    // Whether connections outside of a network namespace were locked in the firewall of this machine since its boot.
    private static bool HasLockedHere(ImageSubject subject) =>
        subject.HasOption("tcp-established")
        && !subject.HasOption("tcp-close")
        && (subject.Image.Host?.BootId is not { } boot || boot == Procfs.BootId.Current)
        && subject.Image.Source.Files.Any(static file => file.Name.StartsWith("tcp-stream-", StringComparison.Ordinal));

    private static int ReadMethod(ImageSubject subject)
    {
        int method = Iptables;
        foreach (CracImageRecord inventory in subject.Image.Source.ReadRecords("inventory.img", ImageType.Inventory))
        {
            method = (int)inventory.GetNumber("network_lock_method");
        }

        return method;
    }
}
