using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Namespaces that the restore makes again, and what that takes.</summary>
internal sealed class RestoreNamespaceRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        if (subject.HoldsNamespace("user"))
        {
            subject.Block(
                null,
                "a user namespace",
                CracReason.NamespaceUnsupported,
                "CRIU cannot bring back a tree with a user namespace of its own from here.",
                "Restore it with the container engine that made it.");
        }

        if (subject.HoldsNamespace("mnt") && !subject.HasOption("root"))
        {
            subject.Block(
                null,
                "a mount namespace",
                CracReason.NamespaceUnsupported,
                "Its mounts are made again on top of a root file system, and the image does not say on which.",
                "Give -CriuOption @{ root = '/' }, or the folder with its root file system.");
        }
    }
}
