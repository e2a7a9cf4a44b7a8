using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Terminals: which ones criu supports, and whether their masters are in the tree (criu's tty.c).</summary>
internal sealed class TerminalRule : PreflightRule
{
    private const int MaximumPseudoTerminal = 1000; // MAX_PTY_INDEX in criu's tty.c

    internal override void Examine(PreflightSubject subject)
    {
        HashSet<int> masters = FindMasters(subject);
        var outside = new SortedDictionary<int, (int ProcessId, List<int> Descriptors)>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor.Kind is not (DescriptorKind.Terminal or DescriptorKind.TerminalMaster))
                {
                    continue;
                }

                if (!ExamineDevice(subject, member, descriptor) || descriptor.Kind == DescriptorKind.TerminalMaster)
                {
                    continue;
                }

                if (descriptor.TerminalIndex is { } index && !masters.Contains(index))
                {
                    if (!outside.TryGetValue(index, out (int ProcessId, List<int> Descriptors) uses))
                    {
                        outside.Add(index, uses = (member.ProcessId, []));
                    }

                    if (uses.ProcessId == member.ProcessId)
                    {
                        uses.Descriptors.Add(descriptor.Number);
                    }
                }
            }
        }

        ExamineOutside(subject, outside);
    }

    private static HashSet<int> FindMasters(PreflightSubject subject)
    {
        var masters = new HashSet<int>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor is { Kind: DescriptorKind.TerminalMaster, TerminalIndex: { } index })
                {
                    masters.Add(index);
                }
            }
        }

        return masters;
    }

    private static void ExamineOutside(PreflightSubject subject, SortedDictionary<int, (int ProcessId, List<int> Descriptors)> outside)
    {
        bool first = true;
        foreach ((int index, (int processId, List<int> descriptors)) in outside)
        {
            string place = $"{(descriptors.Count == 1 ? "descriptor" : "descriptors")} {string.Join(", ", descriptors)}";
            string what = $"{place}: terminal /dev/pts/{index}";
            if (first)
            {
                subject.Offer(
                    processId,
                    what,
                    CracReason.TerminalAttached,
                    "The terminal belongs to a window, a login or a multiplexer outside the tree. The restored process will use the terminal of the session that restores it.",
                    "Give -ShellJob, or start the program with its input and output redirected.",
                    new OptionOffer(OptionTable.ShellJob));
                first = false;
            }
            else
            {
                subject.Block(
                    processId,
                    what,
                    CracReason.TerminalAttached,
                    "It is a second terminal from outside the tree, and CRIU can replace only one.",
                    "The program would have to close one of its terminals.",
                    new("more terminals from outside the tree", $"/dev/pts/{index}", place)
                    {
                        Why = "CRIU can replace only one terminal from outside the tree.",
                        Action = static _ => "The program would have to close all of its terminals but one.",
                    });
            }
        }
    }

    /// <summary>Reports an unsupported device, and is then false.</summary>
    private static bool ExamineDevice(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor)
    {
        DeviceNumber device = descriptor.Status.SpecialDevice;
        string place = $"descriptor {descriptor.Number}";
        string what = $"{place}: terminal {descriptor.Target}";
        if (descriptor.TerminalIndex > MaximumPseudoTerminal)
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.TerminalAttached,
                $"CRIU supports pseudo-terminals up to number {MaximumPseudoTerminal}.",
                "Close terminals and start the program again in one with a smaller number.",
                new($"terminals with a number above {MaximumPseudoTerminal}", descriptor.Target, place));
            return false;
        }

        bool known = device switch
        {
            { Major: 5 } => true,
            { Major: 4, Minor: >= 1 and <= 63 } => true,
            { Major: 188 or 204 } => true,
            { Major: >= 128 and <= 136 } => true,
            _ => false,
        };
        if (!known)
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                $"CRIU does not support this kind of terminal (device {device}).",
                "The program would have to close it before the checkpoint and open it after the restore.",
                new($"terminals of device {device}", descriptor.Target, place));
            return false;
        }

        if (device is { Major: 5, Minor: 0 } && !HasControllingTerminal(member))
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.TerminalAttached,
                "/dev/tty refers to the controlling terminal, which CRIU finds only if the process has that terminal open under its own name as well.",
                "Keep standard input or error on the terminal, or let the program close /dev/tty before the checkpoint.",
                DescriptorCause.Of("descriptors of /dev/tty", descriptor));
            return false;
        }

        return true;
    }

    private static bool HasControllingTerminal(ProcessSnapshot member)
    {
        DeviceNumber controlling = DeviceNumber.Decode((uint)member.Status.TerminalDevice);
        foreach (ProcessDescriptor descriptor in member.Descriptors)
        {
            if (descriptor.Kind == DescriptorKind.Terminal && descriptor.Status.SpecialDevice == controlling)
            {
                return true;
            }
        }

        return false;
    }
}
