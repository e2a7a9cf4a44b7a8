using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>32-bit programs need a criu that was built with support for them, which distributions often leave out.</summary>
internal sealed class ThirtyTwoBitRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            if (member.Is32Bit)
            {
                subject.Note(
                    member.ProcessId,
                    $"32-bit program {member.CommandLine.ExecutablePath}",
                    CracReason.ResourceUnsupported,
                    "CRIU can checkpoint it only if it was built with 32-bit support.",
                    "Ask criu: criu check --feature compat_cr; or run the 64-bit build of the program.",
                    new("32-bit programs", member.CommandLine.ExecutablePath)
                    {
                        Why = "CRIU can checkpoint them only if it was built with 32-bit support.",
                        Action = static _ => "Ask criu: criu check --feature compat_cr; or run the 64-bit builds of the programs.",
                    });
            }
        }
    }
}
