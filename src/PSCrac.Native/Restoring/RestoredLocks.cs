using PSCrac.Images.Format;
using PSCrac.Interop;
using PSCrac.Processes.Tracing;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>
/// Compares the locks of a restored tree, before it runs, with those of its image, and takes those again that criu lost: record locks on a
/// file that the process also maps (see FileLockRule). Only the process itself can take a record lock, and criu traces it; so criu is
/// stopped meanwhile, and makes the calls with which the process makes its own. Neither notices. If this session ends, criu and the
/// process end with it, and the guard ends the rest of the tree.
/// </summary>
internal static class RestoredLocks
{
    private const string FileName = "filelocks.img";

    // Of the kernel's include/linux/filelock.h, which criu stores.
    private const ulong FL_POSIX = 1;
    private const ulong FL_FLOCK = 2;
    private const ulong FL_LEASE = 32;
    private const ulong FL_OFDLCK = 1024;

    /// <summary>Whether an image holds locks.</summary>
    internal static bool AreIn(CracImage image) => image.Source.Contains(FileName);

    /// <summary>Takes the locks again that are missing, where possible.</summary>
    /// <param name="image">The image.</param>
    /// <param name="root">The restored root's id here; null if it has ended.</param>
    /// <param name="criuId">criu, which traces the tree.</param>
    /// <returns>A sentence for each lock that is still missing.</returns>
    internal static IEnumerable<string> TakeMissing(CracImage image, int? root, int criuId)
    {
        List<LostLock> lost = WithoutHeld(FindAll(image, root));
        HashSet<LostLock> taken = lost.Exists(static each => each.Kind == FileLockKind.Posix) ? TakeAgain(lost, criuId) : [];
        return [.. WithoutHeld(lost).Select(each => each.Describe(taken.Contains(each)))];
    }

    private static List<LostLock> FindAll(CracImage image, int? root)
    {
        var all = new List<LostLock>();
        if (root is not { } id || !AreIn(image))
        {
            return all;
        }

        Dictionary<int, int> here = RestoredAttributes.FindThreads(id);
        foreach (CracImageRecord record in image.Source.ReadRecords(FileName, ImageType.FileLocks))
        {
            int owner = (int)record.GetNumber("pid");
            if (KindOf(record.GetNumber("flag")) is { } kind && here.TryGetValue(owner, out int restored))
            {
                all.Add(new LostLock(
                    owner, restored, (int)record.GetNumber("fd"), kind, (short)record.GetNumber("type"), (long)record.GetNumber("start"), (long)record.GetNumber("len")));
            }
        }

        return all;
    }

    // The locks that others have.
    private static HashSet<LostLock> TakeAgain(List<LostLock> lost, int criuId)
    {
        var taken = new HashSet<LostLock>();
        try
        {
            using OwnTracer tracer = OwnTracer.Stop(criuId);
            using var criu = new StoppedThread(tracer);
            int depth = ProcessStatus.TryRead(criuId)?.NamespaceProcessIds.Count ?? 0;
            foreach (IGrouping<int, LostLock> each in lost.Where(static each => each.Kind == FileLockKind.Posix).GroupBy(static each => each.ProcessId))
            {
                TakeAgain(criu, criuId, depth, each, taken);
            }
        }
        catch (TraceException)
        {
            // The comparison afterwards says what is missing.
        }

        return taken;
    }

    private static void TakeAgain(StoppedThread criu, int criuId, int depth, IGrouping<int, LostLock> lost, HashSet<LostLock> taken)
    {
        if (ProcessStatus.TryRead(lost.Key) is not { } status || status.TracerProcessId != criuId || status.NamespaceProcessIds.Count < depth || depth == 0)
        {
            return;
        }

        using var tracer = new BorrowedTracer(criu, lost.Key, status.NamespaceProcessIds[depth - 1]);
        nint options = LibC.PTRACE_O_TRACESYSGOOD | (status.SeccompMode == 0 ? 0 : LibC.PTRACE_O_SUSPEND_SECCOMP);
        TraceException.ThrowIfFailed(tracer.Request(LibC.PTRACE_SETOPTIONS, 0, options | LibC.PTRACE_O_EXITKILL));
        try
        {
            using var thread = new StoppedThread(tracer);
            foreach (LostLock each in lost)
            {
                if (each.Take(thread) is Errno.EAGAIN or Errno.EACCES)
                {
                    taken.Add(each);
                }
            }
        }
        finally
        {
            tracer.Request(LibC.PTRACE_SETOPTIONS, 0, options);
        }
    }

    // A descriptor may hold thousands, and is read once.
    private static List<LostLock> WithoutHeld(List<LostLock> wanted)
    {
        var missing = new List<LostLock>();
        foreach (IGrouping<(int ProcessId, int Descriptor), LostLock> each in wanted.GroupBy(static each => (each.ProcessId, each.Descriptor)))
        {
            // A process that has ended, or shows nothing to this user, misses none.
            if (ReadHeld($"/proc/{each.Key.ProcessId}/fdinfo/{each.Key.Descriptor}") is { } held)
            {
                missing.AddRange(each.Where(one => !held.Contains(one.AsHeld())));
            }
        }

        return missing;
    }

    private static HashSet<FileLock>? ReadHeld(string path)
    {
        if (!ProcText.TryRead(path, out ProcText text))
        {
            return null;
        }

        using (text)
        {
            var held = new HashSet<FileLock>();
            var lines = new AsciiReader(text.Bytes);
            while (lines.TryReadField(out ReadOnlySpan<byte> key, out AsciiReader value))
            {
                if (key.SequenceEqual("lock"u8) && FileLock.Parse(value.Rest) is { } present)
                {
                    held.Add(LostLock.Comparable(present));
                }
            }

            return held;
        }
    }

    private static FileLockKind? KindOf(ulong flags) => flags switch
    {
        _ when (flags & FL_OFDLCK) != 0 => FileLockKind.OpenFile,
        _ when (flags & FL_POSIX) != 0 => FileLockKind.Posix,
        _ when (flags & FL_FLOCK) != 0 => FileLockKind.Flock,
        _ when (flags & FL_LEASE) != 0 => FileLockKind.Lease,
        _ => null,
    };
}
