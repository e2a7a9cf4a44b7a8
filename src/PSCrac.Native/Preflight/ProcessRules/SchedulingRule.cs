using System.Globalization;
using PSCrac.Interop;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// The scheduling and placement of threads that a restore loses. criu dumps a thread of any policy and restores five of them
/// (validate_sched_parm in its cr-restore.c). The execution domain it dumps and does not set; the NUMA policy it does not dump.
/// </summary>
internal sealed class SchedulingRule : PreflightRule
{
    // linux/personality.h; the flags that a program set for itself or was started with by setarch(8).
    private static readonly (uint Flag, string Name)[] s_domains =
    [
        (0x0040000, "ADDR_NO_RANDOMIZE"), (0x0200000, "ADDR_COMPAT_LAYOUT"), (0x0400000, "READ_IMPLIES_EXEC"), (0x0800000, "ADDR_LIMIT_32BIT"),
        (0x0020000, "UNAME26"), (0x8000000, "ADDR_LIMIT_3GB"), (0x4000000, "STICKY_TIMEOUTS"), (0x0100000, "MMAP_PAGE_ZERO"), (0x1000000, "SHORT_INODE"), (0x2000000, "WHOLE_SECONDS"),
    ];

    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            ExaminePolicies(subject, member);
            ExaminePersonality(subject, member);
            if (subject.Environment.HasSeveralNodes)
            {
                ExamineMemoryPolicy(subject, member);
            }
        }
    }

    private static void ExaminePolicies(PreflightSubject subject, ProcessSnapshot member)
    {
        foreach (int thread in member.Member.ThreadIds)
        {
            string? policy = LibC.GetScheduler(thread, out int number, out _) != 0 ? null : (number & ~LibC.SCHED_RESET_ON_FORK) switch
            {
                LibC.SCHED_DEADLINE => "SCHED_DEADLINE",
                LibC.SCHED_EXT => "SCHED_EXT",
                _ => null,
            };
            if (policy is not null)
            {
                subject.Block(
                    member.ProcessId,
                    $"thread {thread} with the scheduling policy {policy}",
                    CracReason.ResourceUnsupported,
                    "CRIU dumps it, but cannot restore this policy.",
                    $"Give it another policy for the checkpoint: chrt --other --pid 0 {thread}",
                    new($"threads with the scheduling policy {policy}", $"thread {thread}")
                    {
                        Why = "CRIU dumps them, but cannot restore this policy.",
                        Argument = thread.ToString(CultureInfo.InvariantCulture),
                        Action = static threads => "Give them another policy for the checkpoint: " + string.Join("; ", threads.Select(static each => $"chrt --other --pid 0 {each}")),
                    });
            }
        }
    }

    private static void ExaminePersonality(PreflightSubject subject, ProcessSnapshot member)
    {
        if (!uint.TryParse(ReadFile($"/proc/{member.ProcessId}/personality"), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint personality))
        {
            return;
        }

        string names = string.Join(", ", s_domains.Where(domain => (personality & domain.Flag) != 0).Select(static domain => domain.Name));
        if (names.Length > 0)
        {
            subject.Warn(
                member.ProcessId,
                $"execution domain with {names}",
                CracReason.ResourceUnsupported,
                "The restored process does not have these flags (personality(2)); programs that it starts later do not have them either.",
                null,
                new($"processes with an execution domain with {names}") { Why = "The restored processes do not have these flags (personality(2)); programs that they start later do not have them either." });
        }
    }

    // Reading the file takes longer the larger the memory is, so it is read only if a policy can make a difference.
    private static void ExamineMemoryPolicy(PreflightSubject subject, ProcessSnapshot member)
    {
        try
        {
            foreach (string line in File.ReadLines($"/proc/{member.ProcessId}/numa_maps"))
            {
                // "7f0000000000 bind:0 file=… anon=…" (numa_maps in numa(7)).
                string[] words = line.Split(' ', 3);
                if (words.Length > 1 && words[1] is not ("default" or "prefer" or "local") && words[1].Contains(':', StringComparison.Ordinal))
                {
                    subject.Warn(
                        member.ProcessId,
                        $"memory policy {words[1]}",
                        CracReason.ResourceUnsupported,
                        "The restored memory is placed where the restore runs, and the policy is the default one (set_mempolicy(2), mbind(2)).",
                        "Restore it under the same policy: numactl before pwsh sets one for what the session restores.",
                        new("processes with a memory policy", words[1]) { Why = "The restored memory is placed where the restore runs, and the policy is the default one (set_mempolicy(2), mbind(2))." });
                    return;
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended, or the kernel is built without it.
        }
    }

    private static string ReadFile(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
