using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Mappings of shared memory segments, devices and kernel objects (criu's proc_parse.c and cr-dump.c).</summary>
internal sealed class MappingRule : PreflightRule
{
    private static readonly DeviceNumber s_zero = new(1, 5);

    internal override void Examine(PreflightSubject subject)
    {
        bool ownsIpc = subject.Tree is { OwnNamespaces: { } own, Root.Namespaces: { } root } && !own.Shares(NamespaceKind.Ipc, root);
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (MemoryArea area in member.Areas)
            {
                string where = $"memory at {area.Start:x}";
                switch (area.Kind)
                {
                    case MemoryAreaKind.SysVSegment when !ownsIpc:
                        subject.Block(
                            member.ProcessId,
                            $"{where}: SysV shared memory segment {area.Inode}",
                            CracReason.ResourceUnsupported,
                            "The segment belongs to the whole machine. CRIU saves such segments only together with an IPC namespace of their own.",
                            "Start the program in one: unshare --ipc PROGRAM",
                            new("SysV shared memory segments", $"{area.Inode}", where)
                            {
                                Why = "The segments belong to the whole machine. CRIU saves such segments only together with an IPC namespace of their own.",
                            });
                        break;
                    case MemoryAreaKind.Device:
                        ExamineDevice(subject, member, area, where);
                        break;
                    case MemoryAreaKind.KernelObject when !HasDescriptor(member, area):
                        subject.Block(
                            member.ProcessId,
                            $"{where}: {area.Path}",
                            CracReason.ResourceUnsupported,
                            "It is shared with the kernel or a device, and CRIU cannot save it.",
                            area.Path.Contains("[io_uring]", StringComparison.Ordinal) ? IoUringSwitch.Recommend(member.CommandLine) : "The program would have to release it before the checkpoint.",
                            new("mappings of kernel objects", area.Path, where)
                            {
                                Why = "They are shared with the kernel or a device, and CRIU cannot save them.",
                                Action = static _ => "The program would have to release them before the checkpoint.",
                            });
                        break;
                    case MemoryAreaKind.Uprobes:
                        subject.Offer(
                            member.ProcessId,
                            $"{where}: breakpoints of a tracer in the kernel (uprobes)",
                            CracReason.ProcessTraced,
                            "A tool such as perf or bpftrace traces the program; its breakpoints are not restored.",
                            "End the tracer, or give -CriuOption @{ 'allow-uprobes' = $true }.",
                            new OptionOffer(OptionTable.AllowUprobes),
                            new("processes with breakpoints of a tracer in the kernel (uprobes)", Place: where) { Why = "A tool such as perf or bpftrace traces the programs; its breakpoints are not restored." });
                        break;
                }
            }
        }
    }

    private static void ExamineDevice(PreflightSubject subject, ProcessSnapshot member, MemoryArea area, string where)
    {
        if (FileStatus.TryRead($"/proc/{member.ProcessId}/map_files/{area.Start:x}-{area.End:x}", flags: 0, out FileStatus status, out _)
            && (status.Type == FileType.Regular || status.SpecialDevice == s_zero))
        {
            return;
        }

        if (DeviceRule.PluginFor(area.Path) is { } plugin)
        {
            DeviceRule.ReportGpu(subject, member.ProcessId, where, area.Path, plugin);
            return;
        }

        subject.Block(
            member.ProcessId,
            $"{where}: device {area.Path}",
            CracReason.ResourceUnsupported,
            "Device memory cannot be saved like the process's own memory.",
            "The program would have to unmap it before the checkpoint.",
            new("mapped devices", area.Path, where) { Action = static _ => "The program would have to unmap them before the checkpoint." });
    }

    /// <summary>Whether a descriptor of the same object is open, which another rule has reported.</summary>
    private static bool HasDescriptor(ProcessSnapshot member, MemoryArea area)
    {
        foreach (ProcessDescriptor descriptor in member.Descriptors)
        {
            if (area.Path.EndsWith(descriptor.Target, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
