using System.Globalization;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Model;

/// <summary>An open file whose path was gone at the checkpoint, and how criu opens it again.</summary>
/// <param name="FileId">The open file's id.</param>
/// <param name="Type">LINKED: by a helper link. GHOST: created again from the image. Others are entries of /proc.</param>
/// <param name="Id">The id of the helper link's file, or the number of the ghost file.</param>
/// <param name="Message">The entry as it is in the image.</param>
internal sealed record Remap(uint FileId, string Type, uint Id, byte[] Message)
{
    internal const string Linked = "LINKED";
    internal const string Ghost = "GHOST";
}

/// <summary>The files of an image whose paths were gone at the checkpoint: remap-fpath.img and the ghost files.</summary>
internal static class RemapTable
{
    internal const string FileName = "remap-fpath.img";

    private const uint FileTypeMask = 0xf000;
    private const uint Folder = 0x4000;

    /// <summary>Reads the entries; none where the image has no such table.</summary>
    internal static List<Remap> Read(ImageSource source)
    {
        var remaps = new List<Remap>();
        using ImageEntryReader? entries = source.TryOpenEntries(FileName, ImageType.RemapFpath);
        var decoder = new RecordDecoder();
        while (entries is not null && entries.MoveNext())
        {
            CracImageRecord remap = decoder.Decode(entries.Reader, ImageSchema.Get(ImageType.RemapFpath.Message!));
            remaps.Add(new Remap((uint)remap.GetNumber("orig_id"), remap.GetText("remap_type") ?? Remap.Linked, (uint)remap.GetNumber("remap_id"), entries.Message.ToArray()));
        }

        return remaps;
    }

    /// <summary>Whether an entry stands for a removed folder.</summary>
    internal static bool IsFolder(ImageSource source, Remap remap)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"ghost-file-{remap.Id:x}.img");
        foreach (CracImageRecord file in remap.Type == Remap.Ghost ? source.ReadRecords(name, ImageType.GhostFile) : [])
        {
            return ((uint)file.GetNumber("mode") & FileTypeMask) == Folder;
        }

        return false;
    }
}
