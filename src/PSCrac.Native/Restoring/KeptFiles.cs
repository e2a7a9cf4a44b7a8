using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>
/// Puts back the files whose content an image holds, where they are missing: the performance counters of HotSpot JVMs, which
/// any JVM of the same user removes once the process has ended. criu then finds what the process had mapped.
/// </summary>
internal static class KeptFiles
{
    private const uint FolderMode = 0x1ed; // 0755

    /// <summary>Creates the missing files. A file that cannot be created is left to the preflight, which reports that it is missing.</summary>
    /// <param name="image">An image that is trusted.</param>
    internal static void Supply(CracImage image)
    {
        if (image.Manifest is not { KeptFiles: { Count: > 0 } files })
        {
            return;
        }

        using FolderHandle? parent = FolderHandle.TryOpen(ImageManifestKeptFile.PerformanceCountersParent, out _);
        foreach (ImageManifestKeptFile file in files)
        {
            string folder = Path.GetFileName(Path.GetDirectoryName(file.Path) ?? "");
            string name = Path.GetFileName(file.Path);

            // A manifest may list any path; only files of this kind are created.
            if (parent is not null && file.Path == $"{ImageManifestKeptFile.PerformanceCountersParent}/{folder}/{name}" && folder.StartsWith(ImageManifestKeptFile.PerformanceCountersFolderPrefix, StringComparison.Ordinal)
                && int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _)
                && file.Name.StartsWith(ImageManifestKeptFile.PerformanceCountersPrefix, StringComparison.Ordinal))
            {
                Supply(image, file, parent, folder, name);
            }
        }
    }

    private static void Supply(CracImage image, ImageManifestKeptFile file, FolderHandle parent, string folderName, string name)
    {
        using FolderHandle? folder = OpenOrMake(parent, folderName, file);
        using ImageFile? content = image.Source.TryOpen(file.Name);
        if (folder is null || content is null or { Length: > ImageManifestKeptFile.MaximumSize } || folder.Contains(name) || !folder.BelongsTo([(int)file.UserId]))
        {
            return;
        }

        using SafeFileHandle created = folder.Create(name, out Errno errno, (uint)file.Mode);
        if (errno != 0)
        {
            return;
        }

        byte[] bytes = new byte[content.Length];
        content.ReadExactlyAt(0, bytes);
        try
        {
            RandomAccess.Write(created, bytes, fileOffset: 0);
            errno = LibC.ChangeOwner(created, file.UserId, file.GroupId);
            errno = errno != 0 ? errno : folder.ChangeMode(name, (uint)file.Mode);
        }
        catch (IOException)
        {
            errno = Errno.ENOSPC;
        }

        if (errno != 0)
        {
            folder.Delete(name);
        }
    }

    private static FolderHandle? OpenOrMake(FolderHandle parent, string name, ImageManifestKeptFile file)
    {
        bool isMade = parent.MakeFolder(name, FolderMode) == Errno.None;
        FolderHandle? folder = parent.TryOpenFolder(name, out _);
        if (isMade && folder is not null)
        {
            _ = LibC.ChangeOwner(folder.Handle, file.UserId, file.GroupId);
        }

        return folder;
    }
}
