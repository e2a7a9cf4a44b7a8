using PSCrac.Images.Format;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;

namespace PSCrac.Staging;

/// <summary>
/// The order in which a restore creates and removes files and folders that had no name at the checkpoint (prepare_remaps and
/// try_clean_remaps in criu's files-reg.c). criu creates one in its folder, or above where that is missing, and removes the folders in
/// the order of the table. A removed folder that stands before a removed file or folder of its own therefore is not empty when it is
/// removed, and the restore fails. The order in the image has files first and then the deepest folders, so that what was in a removed
/// folder is created above it.
/// </summary>
internal static class GhostOrder
{
    /// <summary>Sorts the table of a staged image where it has removed folders.</summary>
    /// <exception cref="CracException">The table could not be written (<see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>).</exception>
    internal static void Sort(ImageStaging staging)
    {
        var source = new DirectoryImageSource(staging.Folder);
        List<Remap> remaps = RemapTable.Read(source);
        HashSet<uint> folders = [.. remaps.Where(remap => RemapTable.IsFolder(source, remap)).Select(static remap => remap.FileId)];
        if (folders.Count == 0 || remaps.Count == 1)
        {
            return;
        }

        Dictionary<uint, int> depths = ReadDepths(source, folders);
        try
        {
            using var sorted = new MemoryStream();
            using (ImageEntryReader entries = source.OpenEntries(RemapTable.FileName, ImageType.RemapFpath))
            {
                ProtobufWriter.WriteMagic(sorted, entries);
            }

            foreach (Remap remap in remaps.OrderByDescending(remap => depths.GetValueOrDefault(remap.FileId, int.MaxValue)))
            {
                ProtobufWriter.WriteEntry(sorted, remap.Message);
            }

            StagedTable.Replace(staging.Folder, RemapTable.FileName, sorted);
        }
        catch (IOException e)
        {
            throw staging.SealFailed(e.Message, e);
        }
    }

    private static Dictionary<uint, int> ReadDepths(DirectoryImageSource source, HashSet<uint> folders)
    {
        var depths = new Dictionary<uint, int>();
        foreach (CracImageRecord file in source.ReadRecords(StagedTable.Files, ImageType.Files))
        {
            if (folders.Contains((uint)file.GetNumber("id")) && file.GetRecord("reg")?.GetText("name") is { } path)
            {
                depths[(uint)file.GetNumber("id")] = path.AsSpan().Count('/');
            }
        }

        return depths;
    }
}
