using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

/// <summary>What cannot be checkpointed at all.</summary>
public class TargetTests
{
    [CriuFact]
    public void No_such_process_is_told() => AssertRefused(CracReason.ProcessNotFound, int.MaxValue - 1);

    [CriuFact]
    public void This_process_is_refused() => AssertRefused(CracReason.ProcessNotEligible, Environment.ProcessId);

    [CriuFact]
    public void An_ancestor_of_this_process_is_refused() =>
        AssertRefused(CracReason.ProcessNotEligible, ProcessStatus.TryRead(Environment.ProcessId)!.ParentProcessId);

    [KernelThreadFact]
    public void A_thread_of_the_kernel_is_refused() => AssertRefused(CracReason.ProcessNotEligible, KernelThreadFactAttribute.Find()!.Value);

    [CriuFact("python3")]
    public void A_zombie_is_refused()
    {
        using Subject subject = Subject.Python("""
            import os, signal
            pid = os.fork()
            if pid == 0: os._exit(0)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            print("ready", pid, flush=True)
            signal.pause()
            """, "ready");

        CracException failure = AssertRefused(CracReason.ProcessNotEligible, int.Parse(subject.Program.WaitForLine("ready").Split(' ')[1]));

        Assert.Contains("reaped", failure.Message);
    }

    private static CracException AssertRefused(CracReason reason, int processId)
    {
        using var folder = new TemporaryFolder();
        CracException failure = Expect.Failure(
            reason, () => Checkpoint.Run(new CheckpointRequest { ProcessId = processId, ImagePath = folder.At("image") }));
        Assert.Equal(processId, failure.ProcessId);
        Assert.Empty(folder.Names());
        return failure;
    }

    private sealed class KernelThreadFactAttribute : FactAttribute
    {
        public KernelThreadFactAttribute()
        {
            if (CriuProgram.WhyNot is not null || Find() is null)
            {
                Skip = CriuProgram.WhyNot ?? "no thread of the kernel is visible in this pid namespace";
                DisplayName = $"(skipped: {Skip})";
            }
        }

        internal static int? Find()
        {
            foreach (string name in Directory.EnumerateDirectories("/proc").Select(path => Path.GetFileName(path)))
            {
                if (int.TryParse(name, out int id) && ProcessStatus.TryRead(id) is { IsKernelThread: true })
                {
                    return id;
                }
            }

            return null;
        }
    }
}
