using PSCrac.Common;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Device files. criu supports those without state, such as /dev/null, and tun inside a network namespace; for GPUs there are
/// plugins (criu's files.c and plugins/).
/// </summary>
internal sealed class DeviceRule : PreflightRule
{
    private const uint MemoryMajor = 1;
    private const uint MiscellaneousMajor = 10;
    private const uint TunMinor = 200;
    private const uint AutofsMinor = 235;

    internal override void Examine(PreflightSubject subject)
    {
        bool ownsNetwork = subject.Tree is { OwnNamespaces: { } own, Root.Namespaces: { } root } && !own.Shares(NamespaceKind.Network, root);
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor.Kind == DescriptorKind.BlockDevice)
                {
                    ReportUnknown(subject, member, descriptor, "block device");
                }
                else if (descriptor.Kind == DescriptorKind.CharacterDevice)
                {
                    Examine(subject, member, descriptor, ownsNetwork);
                }
            }
        }
    }

    /// <summary>The plugin that the device file of a GPU needs; null for other devices.</summary>
    internal static string? PluginFor(string path) => path switch
    {
        _ when path.StartsWith("/dev/nvidia", StringComparison.Ordinal) => "cuda_plugin",
        "/dev/kfd" => "amdgpu_plugin",
        _ when path.StartsWith("/dev/dri/", StringComparison.Ordinal) => "amdgpu_plugin",
        _ => null,
    };

    internal static void ReportGpu(PreflightSubject subject, int processId, string where, string device, string plugin)
    {
        string what = $"{where}: {device}";
        var cause = new FindingCause("devices of a GPU", device, where);
        if (subject.Environment.Plugins.Contains(plugin))
        {
            subject.Warn(
                processId,
                what,
                CracReason.ResourceUnsupported,
                $"The GPU's state is saved by CRIU's {plugin}, which is installed; the restore needs the same kind of GPU and the plugin, too.",
                null,
                cause);
        }
        else
        {
            subject.Block(
                processId,
                what,
                CracReason.ResourceUnsupported,
                $"The GPU's state can be saved only by CRIU's {plugin}, which was not found.",
                $"Install the package with {plugin}.so (criu-{plugin[..plugin.IndexOf('_', StringComparison.Ordinal)]}), or let the program release the GPU first.",
                cause);
        }
    }

    private static void Examine(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, bool ownsNetwork)
    {
        DeviceNumber device = descriptor.Status.SpecialDevice;
        switch (device)
        {
            case { Major: MemoryMajor }:
            case { Major: MiscellaneousMajor, Minor: AutofsMinor }:
            case { Major: MiscellaneousMajor, Minor: TunMinor } when ownsNetwork:
                break;
            case { Major: MiscellaneousMajor, Minor: TunMinor }:
                subject.Block(
                    member.ProcessId,
                    $"descriptor {descriptor.Number}: {descriptor.Target} (tun or tap)",
                    CracReason.ResourceUnsupported,
                    "CRIU can save a virtual network device only together with the network namespace it belongs to.",
                    "Start the program in a network namespace of its own: unshare -n",
                    new("tun or tap devices", descriptor.Target, $"descriptor {descriptor.Number}"));
                break;
            default:
                if (PluginFor(descriptor.Target) is { } plugin)
                {
                    ReportGpu(subject, member.ProcessId, $"descriptor {descriptor.Number}", descriptor.Target, plugin);
                }
                else
                {
                    ReportUnknown(subject, member, descriptor, "device");
                }

                break;
        }
    }

    private static void ReportUnknown(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, string kind) => subject.Block(
        member.ProcessId,
        $"descriptor {descriptor.Number}: {kind} {descriptor.Target} ({descriptor.Status.SpecialDevice})",
        CracReason.ResourceUnsupported,
        "A device has state that CRIU cannot save.",
        "The program would have to close it before the checkpoint and open it after the restore.",
        new($"{kind}s", descriptor.Target, $"descriptor {descriptor.Number}")
        {
            Why = "They have state that CRIU cannot save.",
            Action = static _ => "The program would have to close them before the checkpoint and open them after the restore.",
        });
}
