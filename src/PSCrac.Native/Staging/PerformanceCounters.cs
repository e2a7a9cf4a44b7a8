using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Staging;

/// <summary>
/// The files in which HotSpot JVMs keep their performance counters, /tmp/hsperfdata_USER/PID. Each start of a JVM removes those of
/// its user whose processes have ended (cleanup_sharedmem_files in HotSpot's perfMemory_posix.cpp), so also that of a checkpointed
/// JVM, which has it mapped and cannot be restored without it. The image therefore holds the content.
/// </summary>
internal static class PerformanceCounters
{
    private const uint PrivateFile = 0x180; // 0600

    /// <summary>Copies the files that a stopped tree has mapped to a staged image.</summary>
    /// <returns>The files, for the manifest.</returns>
    /// <exception cref="CracException">The image could not be written (<see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>).</exception>
    internal static List<ImageManifestKeptFile> Save(ImageStaging staging, ProcessTree tree)
    {
        var kept = new List<ImageManifestKeptFile>();
        if (!MayHaveMapped(staging))
        {
            return kept;
        }

        using FolderHandle? parent = FolderHandle.TryOpen(ImageManifestKeptFile.PerformanceCountersParent, out _);
        foreach (string name in parent?.ReadNames() ?? [])
        {
            if (!name.StartsWith(ImageManifestKeptFile.PerformanceCountersFolderPrefix, StringComparison.Ordinal))
            {
                continue;
            }

            using FolderHandle? folder = parent!.TryOpenFolder(name, out _);
            foreach (ProcessTreeMember member in folder is null ? [] : tree.Members)
            {
                string file = $"{member.Status.InnermostProcessId}";
                if (folder!.TryGetStatus(file, out FileStatus status, out _) && HasMapped(member.ProcessId, Path.Combine(ImageManifestKeptFile.PerformanceCountersParent, name, file), status))
                {
                    Save(staging, folder, file, kept);
                }
            }
        }

        return kept;
    }

    // The tree stands still meanwhile, and the folder, /tmp, may have thousands of others in it.
    private static bool MayHaveMapped(ImageStaging staging)
    {
        const int MaximumSize = 1 << 24;
        using SafeFileHandle file = staging.Folder.OpenToRead(StagedTable.Files, out Errno errno);
        try
        {
            return errno != 0 || SmallFile.Read(file, MaximumSize) is not { } table
                || table.AsSpan().IndexOf(Encoding.ASCII.GetBytes(ImageManifestKeptFile.PerformanceCountersFolderPrefix)) >= 0;
        }
        catch (IOException e)
        {
            throw staging.SealFailed(e.Message, e);
        }
    }

    private static bool HasMapped(int processId, string path, in FileStatus status)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        foreach (MemoryArea area in (directory is null ? null : MemoryMap.TryRead(directory, namedOnly: true)) ?? [])
        {
            if (area is { IsShared: true, IsUnlinked: false } && area.Path == path && area.Inode == status.Inode)
            {
                return true;
            }
        }

        return false;
    }

    private static void Save(ImageStaging staging, FolderHandle folder, string fileName, List<ImageManifestKeptFile> kept)
    {
        using SafeFileHandle file = folder.OpenToRead(fileName, out Errno errno);
        if (errno != 0 || !FileStatus.TryReadAt(file, "", LibC.AT_EMPTY_PATH, out FileStatus status, out _) || status.SizeBytes > ImageManifestKeptFile.MaximumSize)
        {
            return;
        }

        string name = ImageManifestKeptFile.PerformanceCountersPrefix + fileName;
        byte[] content = new byte[status.SizeBytes];
        try
        {
            int length = RandomAccess.Read(file, content, fileOffset: 0);
            using SafeFileHandle copy = staging.Folder.Create(name, out errno, PrivateFile);
            staging.RequireWritten(errno);
            RandomAccess.Write(copy, content.AsSpan(0, length), fileOffset: 0);
        }
        catch (IOException e)
        {
            throw staging.SealFailed(e.Message, e);
        }

        const int Permissions = 0x1ff;
        kept.Add(new ImageManifestKeptFile(Path.Combine(folder.Path, fileName), name, status.UserId, status.GroupId, status.Mode & Permissions));
    }
}
