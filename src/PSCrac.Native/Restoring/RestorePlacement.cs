using PSCrac.Options;
using PSCrac.Preflight.ImageRules;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>Decides whose process ids a restored tree gets.</summary>
internal static class RestorePlacement
{
    /// <summary>
    /// Whose ids a tree gets: what was asked for, else a new namespace's for a tree that had ids of a namespace of its own. Those
    /// say nothing about which ids are free here, whoever made that namespace, PSCrac or a container engine. A checkpoint made
    /// inside a container, of a process there, has none of this: its next restore is inside a container again.
    /// </summary>
    /// <remarks>criu's own files tell of a pid namespace only where the tree holds its first process, and then criu makes it again itself.</remarks>
    internal static CracPidNamespace Choose(CracPidNamespace? asked, CracImage image) =>
        asked ?? (image.Manifest?.Process.HostPid is null ? CracPidNamespace.Host : CracPidNamespace.New);

    /// <summary>Whether the tree goes into a new pid namespace. Waits for ids of the caller's that are on their way out.</summary>
    /// <exception cref="CracException">
    /// <see cref="CracReason.PidInUse"/>: an id is taken, and the caller wants no other namespace.
    /// <see cref="CracReason.NamespaceUnsupported"/>: the caller wants a new one, where the image has no place.
    /// </exception>
    internal static bool WantsNewNamespace(RestoreRequest request, CancellationToken cancellation)
    {
        CracImage image = request.Image;
        if (image.ProcessIds.Contains(1))
        {
            // The tree was all of its pid namespace, from the first process on: criu makes that namespace itself.
            return false;
        }

        CracPidNamespace place = Choose(request.PidNamespace, image);
        if (place == CracPidNamespace.New)
        {
            return true;
        }

        List<int> taken = FindTaken(request, cancellation);
        return taken.Count > 0 && (place == CracPidNamespace.Auto ? true : throw Taken(taken));
    }

    /// <summary>The ids of the image that are taken here, after those that are on their way out were waited for.</summary>
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
            // It has ended, and all of its namespace with it.
        }

        return null;
    }

    /// <summary>Who has a taken id, and what frees it, for a message; null for what nobody can end.</summary>
    internal static (string Who, string? Mend) Describe(int id)
    {
        ProcessStatus? owner = PidRule.FindOwner(id);
        ProcessStatus? holder = owner ?? ProcessGroup.FindMember(id);
        string who = holder is null ? "another process"
            : owner is null ? $"the process group of '{holder.CommandName}' ({holder.ProcessId})"
            : owner.ProcessId != id ? $"a thread of '{owner.CommandName}' ({owner.ProcessId})"
            : $"'{owner.CommandName}'";
        return holder is { HasEnded: true }
            ? ($"{who}, which has ended but was not reaped by its parent {holder.ParentProcessId}", "wait longer with -PidTimeout" + (PidRule.CanBeEnded(holder.ParentProcessId) ? $", or end process {holder.ParentProcessId}" : ""))
            : (who, holder is null || PidRule.CanBeEnded(holder.ProcessId) ? $"end it with Stop-Process -Id {holder?.ProcessId ?? id}" : null);
    }

    private static CracException Taken(List<int> taken)
    {
        int first = taken[0];
        string others = taken.Count > 1 ? $", and {taken.Count - 1} more of the image's ids are taken" : string.Empty;
        (string who, string? mend) = Describe(first);
        return new CracException(
            CracReason.PidInUse,
            $"Process id {first} of the image belongs to {who}{others}.",
            $"Add -PidNamespace Auto to restore beside it, in a pid namespace of its own{(mend is null ? "" : $"; or {mend}, and restore again")}.")
        {
            ProcessId = first,
        };
    }
}
