using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Namespaces that the restore recreates, and what that needs.</summary>
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
                "CRIU cannot restore a tree that has its own user namespace from here.",
                "Restore it with the container engine that made it.");
        }

        if (subject.HoldsNamespace("mnt") && !subject.HasOption("root"))
        {
            subject.Block(
                null,
                "a mount namespace",
                CracReason.NamespaceUnsupported,
                "Its mounts are recreated on top of a root file system, and the image does not say which one.",
                "Give -CriuOption @{ root = '/' }, or the folder with its root file system.");
        }
    }
}
