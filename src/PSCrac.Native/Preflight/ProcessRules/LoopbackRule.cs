using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Whether criu can start here: its own checks need the loopback interface.</summary>
internal sealed class LoopbackRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        if (LoopbackProbe.StopsCriu())
        {
            subject.Block(null, LoopbackProbe.What, CracReason.AddressUnavailable, LoopbackProbe.Why, LoopbackProbe.RecommendedAction);
        }
    }
}
