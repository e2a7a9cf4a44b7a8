using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Staging;

/// <summary>Reads and replaces small tables of a staged image.</summary>
internal static class StagedTable
{
    internal const string Files = "files.img";
    internal const string Remaps = "remap-fpath.img";

    /// <summary>The entries of the table of files whose paths were gone: the open file's id, how criu reopens it, and the id of that.</summary>
    internal static List<(uint Original, string Type, uint Id, byte[] Message)> ReadRemaps(DirectoryImageSource source)
    {
        var remaps = new List<(uint, string, uint, byte[])>();
        using ImageEntryReader? entries = source.TryOpenEntries(Remaps, ImageType.RemapFpath);
        var decoder = new RecordDecoder();
        while (entries is not null && entries.MoveNext())
        {
            CracImageRecord remap = decoder.Decode(entries.Reader, ImageSchema.Get(ImageType.RemapFpath.Message!));
            remaps.Add(((uint)remap.GetNumber("orig_id"), remap.GetText("remap_type") ?? "LINKED", (uint)remap.GetNumber("remap_id"), entries.Message.ToArray()));
        }

        return remaps;
    }

    /// <summary>Replaces the content of a file that criu has written.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    internal static void Replace(FolderHandle folder, string name, MemoryStream content)
    {
        using SafeFileHandle file = folder.Open(name, LibC.O_WRONLY, out Errno errno);
        if (errno != 0)
        {
            throw new IOException($"{name}: {LibC.Message(errno)}");
        }

        using var stream = new FileStream(file, FileAccess.Write, bufferSize: 0);
        content.WriteTo(stream);
        stream.SetLength(content.Length);
    }
}
