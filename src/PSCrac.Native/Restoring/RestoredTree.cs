using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>The processes of a restored tree, to end it as a whole.</summary>
internal static class RestoredTree
{
    /// <summary>The processes of the tree that have not ended. Never those of this pid namespace's first process, the ancestor of all.</summary>
    internal static IReadOnlyList<ProcessIdentity> Read(int root)
    {
        if (root <= 1)
        {
            return [];
        }

        try
        {
            var alive = new List<ProcessIdentity>();
            foreach (ProcessTreeMember member in ProcessTree.Read(root).Members)
            {
                if (!member.Status.HasEnded)
                {
                    alive.Add(member.Status.Identity);
                }
            }

            return alive;
        }
        catch (CracException)
        {
            // The root has ended, and init is the parent of what it left.
            return [];
        }
    }

    /// <summary>Kills the tree.</summary>
    /// <param name="root">The root, or the init of the namespace that it was restored into.</param>
    /// <param name="restored">The processes that criu restored, some of which may now be children of init.</param>
    internal static void Kill(int root, IReadOnlyList<ProcessIdentity> restored)
    {
        foreach (ProcessIdentity process in (IEnumerable<ProcessIdentity>)[.. restored, .. Read(root)])
        {
            ProcessKill.Kill(process);
        }
    }
}
