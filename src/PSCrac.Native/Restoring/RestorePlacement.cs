using PSCrac.Options;
using PSCrac.Preflight.ImageRules;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>Decides into which pid namespace a tree is restored.</summary>
internal static class RestorePlacement
{
    /// <summary>
    /// The pid namespace that was asked for, else a new one for a tree that was in another pid namespace than the session that
    /// checkpointed it: whether its ids are free in the caller's namespace is chance, whether PSCrac or a container engine made that
    /// namespace. A session inside a container, which checkpoints a process there, is in the same namespace: the image is restored
    /// into the caller's.
    /// </summary>
    /// <remarks>criu's own files record a pid namespace only where the tree holds its first process; criu then creates it itself.</remarks>
    internal static CracPidNamespace Choose(CracPidNamespace? asked, CracImage image) =>
        asked ?? (image.Manifest?.Process.HostPid is null ? CracPidNamespace.Host : CracPidNamespace.New);

    /// <summary>Whether the tree is restored into a new pid namespace. Waits for pids of the caller's namespace whose processes are ending.</summary>
    /// <exception cref="CracException">
    /// <see cref="CracReason.PidInUse"/>: a pid is taken, and the caller asked for no other namespace.
    /// <see cref="CracReason.NamespaceUnsupported"/>: the caller asked for a new namespace, which the image cannot be restored into.
    /// </exception>
    internal static bool WantsNewNamespace(RestoreRequest request, CancellationToken cancellation)
    {
        CracImage image = request.Image;
        if (image.ProcessIds.Contains(1))
        {
            // The tree holds the first process of its pid namespace: criu creates that namespace itself.
            return false;
        }

        CracPidNamespace place = Choose(request.PidNamespace, image);
        if (place == CracPidNamespace.New)
        {
            return true;
        }

        if (place == CracPidNamespace.Auto && !request.AsChild && ParentDeathRule.FindInRoot(image).Count > 0)
        {
            return true;
        }

        List<int> taken = FindTaken(request, cancellation);
        return taken.Count > 0 && (place == CracPidNamespace.Auto ? true : throw Taken(taken));
    }

    /// <summary>The pids of the image that are taken here. Waits for processes that are ending.</summary>
    internal static List<int> FindTaken(RestoreRequest request, CancellationToken cancellation) => PidWaiter.Wait(
        [.. PidRule.FindRequiredIds(request.Image).Select(static needed => needed.Id)], request.PidTimeout, PidWaiter.IsZombie, cancellation);

    /// <summary>Finds a process of another pid namespace by its id there.</summary>
    /// <param name="ancestor">A process that it descends from, by its id here.</param>
    /// <param name="innerId">Its id in its own namespace.</param>
    /// <returns>Its id here; null where there is none.</returns>
    internal static int? FindByInnerId(int ancestor, int innerId)
    {
        try
        {
            foreach (ProcessTreeMember member in ProcessTree.Read(ancestor).Members)
            {
                if (member.Status.NamespaceProcessIds.Count > 1 && member.Status.InnermostProcessId == innerId)
                {
                    return member.ProcessId;
                }
            }
        }
        catch (CracException e) when (e.Reason == CracReason.ProcessNotFound)
        {
            // It has ended, and with it all processes of its namespace.
        }

        return null;
    }

    /// <summary>The owner of a taken pid, and what frees it, as parts of a message; the remedy is null where nothing frees it.</summary>
    internal static (string Owner, string? Remedy) Describe(int id)
    {
        ProcessStatus? owner = PidRule.FindOwner(id);
        ProcessStatus? holder = owner ?? ProcessGroup.FindMember(id);
        string description = holder is null ? "another process"
            : owner is null ? $"the process group of '{holder.CommandName}' ({holder.ProcessId})"
            : owner.ProcessId != id ? $"a thread of '{owner.CommandName}' ({owner.ProcessId})"
            : $"'{owner.CommandName}'";
        return holder is { HasEnded: true }
            ? ($"{description}, which has ended but was not reaped by its parent {holder.ParentProcessId}", "wait longer with -PidTimeout" + (PidRule.CanBeEnded(holder.ParentProcessId) ? $", or end process {holder.ParentProcessId}" : ""))
            : (description, holder is null || PidRule.CanBeEnded(holder.ProcessId) ? $"end it with Stop-Process -Id {holder?.ProcessId ?? id}" : null);
    }

    private static CracException Taken(List<int> taken)
    {
        int first = taken[0];
        string others = taken.Count > 1 ? $", and {taken.Count - 1} more of the image's ids are taken" : string.Empty;
        (string owner, string? remedy) = Describe(first);
        return new CracException(
            CracReason.PidInUse,
            $"Process id {first} of the image belongs to {owner}{others}.",
            $"Add -PidNamespace Auto to restore beside it, in a pid namespace of its own{(remedy is null ? "" : $"; or {remedy}, and restore again")}.")
        {
            ProcessId = first,
        };
    }
}
