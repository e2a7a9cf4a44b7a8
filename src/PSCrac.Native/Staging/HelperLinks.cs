using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Staging;

/// <summary>
/// The helper links that criu made beside unlinked files (create_link_remap in criu's files-reg.c). criu names them link_remap.N with
/// a counter that starts anew in each dump, so the links of two images in one folder exclude each other. Each link therefore gets a
/// number that no other has, in its folder and in the image.
/// </summary>
internal sealed class HelperLinks
{
    // criu's counter stays far below.
    private const int MinimumNumber = 1_000_000_000;

    private readonly List<(string Folder, string Old, string New)> _renamed = [];
    private readonly List<ImageManifestOutsideFile> _files = [];

    private HelperLinks()
    {
    }

    /// <summary>The links, for the manifest.</summary>
    internal IReadOnlyList<ImageManifestOutsideFile> Files => _files;

    /// <summary>Renames the helper links of a staged image.</summary>
    /// <exception cref="CracException">The image could not be written (<see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>).</exception>
    internal static HelperLinks Claim(ImageStaging staging)
    {
        var links = new HelperLinks();
        var source = new DirectoryImageSource(staging.Folder);
        HashSet<uint> ids = [.. RemapTable.Read(source).Where(static remap => remap.Type == Remap.Linked).Select(static remap => remap.Id)];
        if (ids.Count == 0)
        {
            return links;
        }

        try
        {
            using MemoryStream edited = links.Rename(source, ids);
            StagedTable.Replace(staging.Folder, StagedTable.Files, edited);
        }
        catch (IOException e)
        {
            links.Release();
            throw staging.SealFailed(e.Message, e);
        }

        return links;
    }

    /// <summary>Gives the links criu's names again, by which criu removes them when it rolls back.</summary>
    internal void Release() => ForEach(static (folder, old, renamed) => LibC.Rename(folder, renamed, folder, old, LibC.RENAME_NOREPLACE));

    /// <summary>Removes the links, where criu cannot any more.</summary>
    internal void Remove() => ForEach(static (folder, _, renamed) => LibC.Unlink(folder, renamed, 0));

    private MemoryStream Rename(DirectoryImageSource source, HashSet<uint> ids)
    {
        var edited = new MemoryStream();
        using ImageEntryReader entries = source.OpenEntries(StagedTable.Files, ImageType.Files);
        var decoder = new RecordDecoder();
        SchemaMessage schema = ImageSchema.Get(ImageType.Files.Message!);
        ProtobufWriter.WriteMagic(edited, entries);
        while (entries.MoveNext())
        {
            CracImageRecord file = decoder.Decode(entries.Reader, schema);
            if (ids.Contains((uint)file.GetNumber("id")) && file.GetRecord("reg")?.GetText("name") is { } path && Rename(path) is { } renamed)
            {
                ProtobufReader reader = entries.Reader;
                reader.MoveTo(Wire.FileEntry.Reg);
                ProtobufWriter properties = new ProtobufWriter().CopyExcept(reader.ReadMessage(), Wire.RegFileEntry.Name)
                    .WriteBytes(Wire.RegFileEntry.Name, Encoding.UTF8.GetBytes(renamed));
                new ProtobufWriter().CopyExcept(entries.Reader, Wire.FileEntry.Reg).WriteBytes(Wire.FileEntry.Reg, properties.Message).WriteEntry(edited);
            }
            else
            {
                ProtobufWriter.WriteEntry(edited, entries.Message);
            }
        }

        return edited;
    }

    // The new path, in the form of the old one; null where the link keeps its name.
    private string? Rename(string path)
    {
        string name = Path.GetFileName(path);
        string folder = Path.GetDirectoryName("/" + path.TrimStart('/'))!;
        using PathWalk walk = PathWalk.Along(folder);
        if (walk.Folder is null || walk.Reached != folder || !ImageManifestOutsideFile.IsHelperLinkName(name)
            || !FileStatus.TryReadAt(walk.Folder, name, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus status, out _))
        {
            return null;
        }

        string renamed = string.Create(CultureInfo.InvariantCulture, $"{ImageManifestOutsideFile.HelperLinkPrefix}{MinimumNumber + NewNumber(int.MaxValue - MinimumNumber)}{NewNumber(MinimumNumber):d9}");
        bool isRenamed = LibC.Rename(walk.Folder, name, walk.Folder, renamed, LibC.RENAME_NOREPLACE) == Errno.None;
        if (isRenamed)
        {
            _renamed.Add((folder, name, renamed));
        }

        _files.Add(new ImageManifestOutsideFile(Path.Combine(folder, isRenamed ? renamed : name), status.Inode, status.UserId));
        return isRenamed ? path[..^name.Length] + renamed : null;
    }

    // Nobody else can tell it beforehand: the last bytes of a new Guid are random, as the kernel gives them.
    private static int NewNumber(int limit) => (int)(BinaryPrimitives.ReadUInt32LittleEndian(Guid.NewGuid().ToByteArray().AsSpan(12)) % (uint)limit);

    private void ForEach(Func<SafeFileHandle, string, string, Errno> action)
    {
        foreach ((string folder, string old, string renamed) in _renamed)
        {
            using PathWalk walk = PathWalk.Along(folder);
            if (walk.Folder is not null && walk.Reached == folder)
            {
                _ = action(walk.Folder, old, renamed);
            }
        }

        _renamed.Clear();
    }
}
