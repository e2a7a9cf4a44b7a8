using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Descriptors of kernel objects that criu cannot save and restore (criu's files.c).</summary>
internal sealed class KernelObjectRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (Explain(descriptor, member.CommandLine) is { } known)
                {
                    subject.Block(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: {known.Name}",
                        CracReason.ResourceUnsupported,
                        known.Why,
                        known.RecommendedAction,
                        DescriptorCause.Of($"descriptors of one kind, {known.Name}", descriptor));
                }
            }
        }
    }

    private static (string Name, string Why, string RecommendedAction)? Explain(ProcessDescriptor descriptor, ProcessCommandLine program) => descriptor.Kind switch
    {
        DescriptorKind.IoUring => (
            "io_uring",
            "CRIU does not support io_uring: it cannot save requests that are in progress in the kernel.",
            IoUringSwitch.Recommend(program)),
        DescriptorKind.BpfMap => (
            "bpf map",
            "CRIU can save some kinds of bpf maps only if it was built with libbpf, which distributions leave out.",
            "The program would have to close it before the checkpoint."),
        DescriptorKind.BpfObject => (
            $"bpf object {descriptor.Target}",
            "CRIU cannot save programs that are loaded into the kernel.",
            "The program would have to close it before the checkpoint and load it again after the restore."),
        DescriptorKind.PerfEvent => (
            "performance counter (perf_event)",
            "CRIU cannot restore counters of the processor and the kernel.",
            "Stop profiling before the checkpoint."),
        DescriptorKind.UserFault => (
            "userfaultfd",
            "The program handles its own page faults, and CRIU cannot take that over.",
            "The program would have to close it before the checkpoint."),
        DescriptorKind.VirtualMachine => (
            "KVM virtual machine",
            "The state of a virtual machine is in the kernel, where CRIU cannot read it.",
            "Use the virtual machine monitor's own snapshots."),
        DescriptorKind.DeviceBuffer => (
            $"device buffer {descriptor.Target}",
            "Memory shared with a device cannot be saved without the device's own plugin for CRIU.",
            "Install the CRIU plugin for the device (amdgpu, cuda), or let the program release the device first."),
        DescriptorKind.Anonymous or DescriptorKind.Other => (
            descriptor.Target,
            "CRIU does not support this kind of descriptor.",
            "The program would have to close it before the checkpoint."),
        _ => null,
    };
}
