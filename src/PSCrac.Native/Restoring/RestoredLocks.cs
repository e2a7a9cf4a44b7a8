using PSCrac.Images.Format;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>Compares the locks of a restored tree, before it runs, with those of its image.</summary>
internal static class RestoredLocks
{
    private const string FileName = "filelocks.img";

    // Of the kernel's include/linux/filelock.h, which criu stores.
    private const ulong FL_POSIX = 1;
    private const ulong FL_FLOCK = 2;
    private const ulong FL_LEASE = 32;
    private const ulong FL_OFDLCK = 1024;

    /// <summary>Finds the locks that were not restored.</summary>
    /// <param name="image">The image.</param>
    /// <param name="root">The restored root's id here; null if it has ended.</param>
    /// <returns>A sentence for each.</returns>
    internal static IEnumerable<string> FindMissing(CracImage image, int? root)
    {
        if (root is not { } id || !image.Source.Contains(FileName))
        {
            yield break;
        }

        Dictionary<int, int> here = RestoredAttributes.FindThreads(id);
        foreach (CracImageRecord held in image.Source.ReadRecords(FileName, ImageType.FileLocks))
        {
            int owner = (int)held.GetNumber("pid"), descriptor = (int)held.GetNumber("fd");
            if (KindOf(held.GetNumber("flag")) is { } kind && here.TryGetValue(owner, out int restored) && !IsHeld(restored, descriptor, held, kind))
            {
                string path = new FileInfo($"/proc/{restored}/fd/{descriptor}").LinkTarget ?? $"descriptor {descriptor}";
                yield return $"Process {owner} did not get back its {NameOf(kind)} on {path}: another process can take it.";
            }
        }
    }

    private static bool IsHeld(int processId, int descriptor, CracImageRecord held, FileLockKind kind)
    {
        if (!ProcText.TryRead($"/proc/{processId}/fdinfo/{descriptor}", out ProcText text))
        {
            // The process has ended, or shows nothing to this user.
            return true;
        }

        using (text)
        {
            var lines = new AsciiReader(text.Bytes);
            while (lines.TryReadField(out ReadOnlySpan<byte> key, out AsciiReader value))
            {
                if (key.SequenceEqual("lock"u8) && FileLock.Parse(value.Rest) is { } present && present.Kind == kind && IsSameRange(present, held, kind))
                {
                    return true;
                }
            }
        }

        return false;
    }

    // A length of 0 is until the end of the file. Locks and leases of a whole file have no range that counts.
    private static bool IsSameRange(FileLock present, CracImageRecord held, FileLockKind kind)
    {
        if (kind is FileLockKind.Flock or FileLockKind.Lease)
        {
            return true;
        }

        long start = (long)held.GetNumber("start"), length = (long)held.GetNumber("len");
        return present.Start == start && (present.End is { } end ? end - start + 1 == length : length == 0);
    }

    private static FileLockKind? KindOf(ulong flags) => flags switch
    {
        _ when (flags & FL_OFDLCK) != 0 => FileLockKind.OpenFile,
        _ when (flags & FL_POSIX) != 0 => FileLockKind.Posix,
        _ when (flags & FL_FLOCK) != 0 => FileLockKind.Flock,
        _ when (flags & FL_LEASE) != 0 => FileLockKind.Lease,
        _ => null,
    };

    private static string NameOf(FileLockKind kind) => kind switch
    {
        FileLockKind.Posix => "record lock",
        FileLockKind.Flock => "lock (flock)",
        FileLockKind.OpenFile => "open-file lock",
        _ => "lease",
    };
}
