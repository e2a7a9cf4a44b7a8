using PSCrac.Procfs;

namespace PSCrac.Preflight.Rules;

/// <summary>
/// Pipes are made anew with what is in them; an end that someone outside the tree holds is lost (criu's pipes.c).
/// </summary>
internal sealed class PipeRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        var pipes = new Dictionary<ulong, Use>();
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
                        "CRIU does not know pipes that were opened with O_DIRECT.",
                        "The program would have to use a unix socket pair (SOCK_SEQPACKET) instead.");
                }

                if (!pipes.TryGetValue(descriptor.Status.Inode, out Use? use))
                {
                    pipes.Add(descriptor.Status.Inode, use = new Use(member.ProcessId));
                }

                use.IsRead |= descriptor.CanRead;
                use.IsWritten |= descriptor.CanWrite;
                if (use.ProcessId == member.ProcessId)
                {
                    use.Descriptors.Add(descriptor.Number);
                }
            }
        }

        foreach ((ulong inode, Use use) in pipes)
        {
            if (use.IsRead != use.IsWritten)
            {
                Report(subject, inode, use);
            }
        }
    }

    private static void Report(PreflightSubject subject, ulong inode, Use use)
    {
        string what = $"{(use.Descriptors.Count == 1 ? "descriptor" : "descriptors")} {string.Join(", ", use.Descriptors)}: pipe:[{inode}] "
            + (use.IsWritten ? "read outside the tree, or by nobody" : "written outside the tree, or by nobody");
        if (use.IsWritten)
        {
            string parameter = use.Descriptors.Contains(2) && !use.Descriptors.Contains(1) ? "-StandardErrorPath" : "-StandardOutputPath";
            subject.Warn(
                use.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                "After the restore nobody reads from it, and the first write to it ends the process (SIGPIPE).",
                use.Descriptors.Exists(number => number is 1 or 2)
                    ? $"Restore with {parameter}, or start the program with its output in a file."
                    : "Checkpoint a process that both ends descend from, or let the program close it.");
        }
        else
        {
            subject.Warn(
                use.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                "After the restore nobody writes to it, and the process reads its end.",
                use.Descriptors.Contains(0)
                    ? "Restore with -StandardInputPath, or start the program with its input from a file."
                    : "Checkpoint a process that both ends descend from, or let the program close it.");
        }
    }

    private sealed class Use(int processId)
    {
        internal int ProcessId { get; } = processId;

        internal List<int> Descriptors { get; } = [];

        internal bool IsRead { get; set; }

        internal bool IsWritten { get; set; }
    }
}
