using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>A process can have only one tracer (ptrace(2)), which must be criu.</summary>
internal sealed class TracerRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            int tracer = member.Status.TracerProcessId;
            if (tracer == 0)
            {
                continue;
            }

            string name = ProcessStatus.TryRead(tracer)?.CommandName ?? "a process that has ended meanwhile";
            subject.Block(
                member.ProcessId,
                $"traced by {name} ({tracer})",
                CracReason.ProcessTraced,
                "A debugger traces the process, and a process can have only one tracer.",
                $"Detach the debugger, or end it: Stop-Process -Id {tracer}",
                new($"processes traced by {name} ({tracer})") { Why = "A debugger traces them, and a process can have only one tracer." });
        }
    }
}
