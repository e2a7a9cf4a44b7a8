using PSCrac.Images.Format;
using PSCrac.Images.Storage;
using PSCrac.Procfs;

namespace PSCrac.Staging;

/// <summary>
/// Record locks that criu leaves out of an image. A descriptor that several processes have inherited is dumped with the first of them, and
/// criu drops what it has read at those of the others (discard_dup_locks_tail() in its file-lock.c): a lock of the description, which it
/// has already, but also the record locks of each other process. Workers that take turns by fcntl(2) on an inherited file have such locks.
/// </summary>
internal static class SharedRecordLocks
{
    private const string FileName = "filelocks.img";
    private const ulong FL_POSIX = 1; // include/linux/filelock.h
    private const ulong F_RDLCK = 0;
    private const ulong F_WRLCK = 1;

    /// <summary>Adds the record locks of a frozen tree that its staged image does not have.</summary>
    /// <exception cref="CracException">The table could not be written (<see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>).</exception>
    internal static void Add(ImageStaging staging, ProcessTree tree)
    {
        var source = new DirectoryImageSource(staging.Folder);
        HashSet<(int Pid, int Descriptor)> known = [.. source.ReadRecords(FileName, ImageType.FileLocks).Select(static record => ((int)record.GetNumber("pid"), (int)record.GetNumber("fd")))];
        List<ProtobufWriter> missing = [.. tree.Members.Where(static member => !member.Status.HasEnded).SelectMany(member => FindMissing(member, known))];
        if (missing.Count == 0)
        {
            return;
        }

        try
        {
            Append(staging.Folder, source, missing);
        }
        catch (IOException e)
        {
            throw staging.SealFailed(e.Message, e);
        }
    }

    // A file's locks are all at the descriptors that they were taken through; copies of one show the same.
    private static IEnumerable<ProtobufWriter> FindMissing(ProcessTreeMember member, HashSet<(int Pid, int Descriptor)> known)
    {
        int id = member.Status.InnermostProcessId;
        IReadOnlyList<ProcessDescriptor> descriptors = DescriptorTable.Read(member.ProcessId);
        HashSet<(DeviceNumber, ulong)> files = [.. descriptors.Where(each => known.Contains((id, each.Number))).Select(static each => (each.Status.Device, each.Status.Inode))];
        foreach (ProcessDescriptor descriptor in descriptors)
        {
            FileLock[] held = [.. descriptor.Locks.Where(each => each.Kind == FileLockKind.Posix && each.OwnerProcessId == member.ProcessId)];
            if (held.Length > 0 && files.Add((descriptor.Status.Device, descriptor.Status.Inode)))
            {
                foreach (FileLock each in held)
                {
                    yield return Compose(id, descriptor.Number, each);
                }
            }
        }
    }

    private static ProtobufWriter Compose(int process, int descriptor, FileLock held) => new ProtobufWriter()
        .WriteVarint(Wire.FileLockEntry.Flag, FL_POSIX)
        .WriteVarint(Wire.FileLockEntry.Type, held.IsExclusive ? F_WRLCK : F_RDLCK)
        .WriteVarint(Wire.FileLockEntry.Pid, (ulong)process)
        .WriteVarint(Wire.FileLockEntry.Fd, (ulong)descriptor)
        .WriteVarint(Wire.FileLockEntry.Start, (ulong)held.Start)
        .WriteVarint(Wire.FileLockEntry.Len, held.End is { } end ? (ulong)(end - held.Start + 1) : 0);

    private static void Append(FolderHandle folder, DirectoryImageSource source, List<ProtobufWriter> missing)
    {
        bool isThere = source.Contains(FileName);
        using var table = new MemoryStream();
        using (ImageEntryReader other = source.OpenEntries(StagedTable.Files, ImageType.Files))
        {
            ProtobufWriter.WriteMagic(table, other.Prefix, ImageType.FileLocks.Magic);
        }

        if (isThere)
        {
            using ImageEntryReader entries = source.OpenEntries(FileName, ImageType.FileLocks);
            while (entries.MoveNext())
            {
                new ProtobufWriter().CopyExcept(entries.Reader).WriteEntry(table);
            }
        }

        missing.ForEach(each => each.WriteEntry(table));
        if (isThere)
        {
            StagedTable.Replace(folder, FileName, table);
        }
        else
        {
            StagedTable.Create(folder, FileName, table);
        }
    }
}
