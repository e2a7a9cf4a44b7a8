using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether criu can start here: its own checks need the loopback interface.</summary>
internal sealed class RestoreLoopbackRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        if (LoopbackProbe.StopsCriu())
        {
            subject.Block(null, LoopbackProbe.What, CracReason.AddressUnavailable, LoopbackProbe.Why, LoopbackProbe.RecommendedAction);
        }
    }
}
