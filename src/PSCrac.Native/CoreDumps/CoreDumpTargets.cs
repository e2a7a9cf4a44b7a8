using System.Globalization;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.CoreDumps;

/// <summary>Which processes of an image cores are made of, and the paths of these.</summary>
internal static class CoreDumpTargets
{
    /// <summary>The processes.</summary>
    /// <param name="image">The image.</param>
    /// <param name="processIds">The ids of the processes; empty for all that had not ended.</param>
    /// <exception cref="CracException">The image has no process with an id, or it had ended and has no memory.</exception>
    internal static IReadOnlyList<CracImageProcess> Select(CracImage image, IReadOnlyList<int> processIds)
    {
        var selected = new List<CracImageProcess>();
        foreach (CracImageProcess process in processIds.Count == 0 ? image.Processes : [.. processIds.Distinct().Select(id => image.GetProcess(id))])
        {
            if (!HasEnded(process))
            {
                selected.Add(process);
            }
            else if (processIds.Count > 0)
            {
                throw new CracException(
                    CracReason.MemoryNotInImage, $"Process {process.ProcessId} had ended when the checkpoint was taken, and has no memory to make a core of.", "Leave -ProcessId out, and cores are made of all processes that had not.")
                {
                    ImagePath = image.Path,
                    ProcessId = process.ProcessId,
                };
            }
        }

        return selected;
    }

    /// <summary>Whether a path is that of a folder: one that exists, or it ends with a slash.</summary>
    internal static bool IsFolder(string path) => path.EndsWith('/') || Directory.Exists(path);

    /// <summary>The name that the core of a process has in a folder.</summary>
    internal static string FileNameFor(CracImage image, int processId, CracArchiveCompression compression) =>
        string.Create(CultureInfo.InvariantCulture, $"{image.Name}.{processId}.core{(compression == CracArchiveCompression.Zstd ? ArchiveFormat.ZstandardSuffix : "")}");

    /// <summary>Creates the folder of cores if it is not there, for the caller alone.</summary>
    /// <exception cref="CracException">It cannot be created.</exception>
    internal static void MakeFolder(string path)
    {
        const uint Private = 0x1C0; // 0700
        using FolderHandle? folder = FolderHandle.Make(Path.TrimEndingDirectorySeparator(path), Private, out Errno errno);
        if (folder is null)
        {
            throw new CracException(CracReason.PermissionDenied, $"The folder {path} cannot be created: {LibC.Message(errno)}.", "Give -DestinationPath in a folder that you may write to.");
        }
    }

    private static bool HasEnded(CracImageProcess process) => process.State is CracProcessState.Dead or CracProcessState.Zombie;
}
