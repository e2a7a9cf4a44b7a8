using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Pipes are recreated with their content; an end that a process outside the tree has open is lost (criu's pipes.c).
/// </summary>
internal sealed class PipeRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        var pipes = new Dictionary<ulong, PipeUse>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor.Kind != DescriptorKind.Pipe)
                {
                    continue;
                }

                if ((descriptor.Flags & ProcessDescriptor.DirectFlag) != 0)
                {
                    subject.Block(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: {descriptor.Target} in packet mode",
                        CracReason.ResourceUnsupported,
                        "CRIU does not support pipes that were opened with O_DIRECT.",
                        "The program would have to use a unix socket pair (SOCK_SEQPACKET) instead.",
                        new("pipes in packet mode", descriptor.Target, $"descriptor {descriptor.Number}")
                        {
                            Action = static _ => "The program would have to use unix socket pairs (SOCK_SEQPACKET) instead.",
                        });
                }

                if (!pipes.TryGetValue(descriptor.Status.Inode, out PipeUse? use))
                {
                    pipes.Add(descriptor.Status.Inode, use = new PipeUse(member.ProcessId));
                }

                use.IsRead |= descriptor.CanRead;
                use.IsWritten |= descriptor.CanWrite;
                if (use.ProcessId == member.ProcessId)
                {
                    use.Descriptors.Add(descriptor.Number);
                }
            }
        }

        foreach ((ulong inode, PipeUse use) in pipes)
        {
            if (use.IsRead != use.IsWritten)
            {
                Report(subject, inode, use);
            }
        }
    }

    private static void Report(PreflightSubject subject, ulong inode, PipeUse use)
    {
        string place = $"{(use.Descriptors.Count == 1 ? "descriptor" : "descriptors")} {string.Join(", ", use.Descriptors)}";
        string what = $"{place}: pipe:[{inode}] "
            + (use.IsWritten ? "read outside the tree, or by nobody" : "written outside the tree, or by nobody");
        if (use.IsWritten)
        {
            bool isStandard = use.Descriptors.Exists(number => number is 1 or 2);
            string parameter = use.Descriptors.Contains(2) && !use.Descriptors.Contains(1) ? "-StandardErrorPath" : "-StandardOutputPath";
            subject.Warn(
                use.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                "After the restore nobody reads from it, and the first write to it ends the process (SIGPIPE).",
                isStandard
                    ? $"Restore with {parameter}, or start the program with its output in a file."
                    : "Checkpoint a common ancestor of the processes at both ends, or let the program close it.",
                new($"pipes read outside the tree, or by nobody{(isStandard ? ", for output" : "")}", $"pipe:[{inode}]", place)
                {
                    Argument = parameter,
                    Why = "After the restore nobody reads from them, and the first write to one ends the process (SIGPIPE).",
                    Action = isStandard
                        ? static parameters => $"Restore with {string.Join(" and ", parameters)}, or start the program with its output in files."
                        : static _ => "Checkpoint a common ancestor of the processes at all ends, or let the program close them.",
                });
        }
        else
        {
            subject.Warn(
                use.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                "After the restore nobody writes to it, and the process reads end of file.",
                use.Descriptors.Contains(0)
                    ? "Restore with -StandardInputPath, or start the program with its input from a file."
                    : "Checkpoint a common ancestor of the processes at both ends, or let the program close it.",
                new($"pipes written outside the tree, or by nobody{(use.Descriptors.Contains(0) ? ", for input" : "")}", $"pipe:[{inode}]", place)
                {
                    Why = "After the restore nobody writes to them, and the process reads end of file.",
                    Action = use.Descriptors.Contains(0) ? null : static _ => "Checkpoint a common ancestor of the processes at all ends, or let the program close them.",
                });
        }
    }

    private sealed class PipeUse(int processId)
    {
        internal int ProcessId { get; } = processId;

        internal List<int> Descriptors { get; } = [];

        internal bool IsRead { get; set; }

        internal bool IsWritten { get; set; }
    }
}
