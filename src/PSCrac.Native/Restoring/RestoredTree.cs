using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>A tree that criu has made, by what is needed to end it as a whole.</summary>
internal static class RestoredTree
{
    /// <summary>The processes of the tree that have not ended.</summary>
    internal static IReadOnlyList<ProcessIdentity> Read(int root)
    {
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
            // The root has ended, and what it left belongs to init.
            return [];
        }
    }

    /// <summary>Ends it.</summary>
    /// <param name="root">The root, or the init of the namespace that it was restored into.</param>
    /// <param name="made">What criu made, some of which may have been given to init by now.</param>
    internal static void Kill(int root, IReadOnlyList<ProcessIdentity> made)
    {
        foreach (ProcessIdentity process in (IEnumerable<ProcessIdentity>)[.. made, .. Read(root)])
        {
            ProcessKill.Kill(process);
        }
    }
}
