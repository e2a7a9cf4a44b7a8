using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Restoring;

/// <summary>
/// An image with some files edited, for one restore: a private directory of links to the image's files, with edited copies of
/// the few small files that hold the tables of open files and of descriptors.
/// </summary>
internal sealed class ImageOverlay : IDisposable
{
    private const string FilesName = "files.img";
    private const string ParentName = "parent";
    private const ulong RegularType = (ulong)CracFileKind.Regular;

    private readonly string _path;

    private ImageOverlay(string path, SafeFileHandle handle)
    {
        _path = path;
        Handle = handle;
    }

    /// <summary>The directory that criu reads the image from, open.</summary>
    internal SafeFileHandle Handle { get; }

    /// <summary>Creates the overlay.</summary>
    /// <param name="image">The image, which is not changed.</param>
    /// <param name="folder">A private folder to create it in.</param>
    /// <param name="edits">The edits.</param>
    internal static ImageOverlay Create(CracImage image, string folder, FileEdits edits)
    {
        string path = Path.Combine(folder, "image");
        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        if (!image.Source.Contains(FilesName))
        {
            throw new CracException(CracReason.ImageIncomplete, $"The image {image.Path} has no {FilesName}, so its files cannot be replaced.", "Make the image with criu 3.13 or later.")
            {
                FileName = FilesName,
            };
        }

        foreach (ImageFileInfo file in image.Source.Files)
        {
            string target = Path.Combine(path, file.Name);
            if (file.Name == FilesName)
            {
                Edit(image, file.Name, ImageType.Files, target, (entries, written) => EditFiles(entries, written, edits));
            }
            else if (file.Name.StartsWith("fdinfo-", StringComparison.Ordinal))
            {
                Edit(image, file.Name, ImageType.Fdinfo, target, (entries, written) => EditDescriptors(entries, written, edits));
            }
            else
            {
                File.CreateSymbolicLink(target, Path.Combine(image.Path, file.Name));
            }
        }

        string parent = Path.Combine(image.Path, ParentName);
        if (Directory.Exists(parent))
        {
            File.CreateSymbolicLink(Path.Combine(path, ParentName), parent);
        }

        SafeFileHandle handle = LibC.Open(path, LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_NOFOLLOW, out Errno errno);
        return errno == 0 ? new ImageOverlay(path, handle) : throw new CracException(CracReason.PermissionDenied, $"The folder {path} could not be opened: {LibC.Message(errno)}.");
    }

    public void Dispose()
    {
        Handle.Dispose();
        Directory.Delete(_path, recursive: true);
    }

    private static void Edit(CracImage image, string name, ImageType type, string target, Action<ImageEntryReader, Stream> edit)
    {
        using ImageEntryReader entries = image.Source.OpenEntries(name, type);
        using FileStream written = new(target, FileMode.CreateNew);
        ProtobufWriter.WriteMagic(written, entries);
        edit(entries, written);
    }

    private static void EditFiles(ImageEntryReader entries, Stream written, FileEdits edits)
    {
        while (entries.MoveNext())
        {
            uint id = (uint)ReadNumber(entries.Reader, Wire.FileEntry.Id);
            if (!edits.Changed.TryGetValue(id, out OpenRegularFile? file))
            {
                ProtobufWriter.WriteEntry(written, entries.Message);
            }
            else if (ReadNumber(entries.Reader, Wire.FileEntry.Type) == RegularType)
            {
                ProtobufReader reader = entries.Reader;
                while (reader.MoveNext() && reader.Field != Wire.FileEntry.Reg)
                {
                    reader.Skip();
                }

                // criu checks the size and the mode only where the entry has them.
                ProtobufWriter properties = new ProtobufWriter().CopyExcept(
                    reader.ReadMessage(), Wire.RegFileEntry.Flags, Wire.RegFileEntry.Pos, Wire.RegFileEntry.Name, Wire.RegFileEntry.Size, Wire.RegFileEntry.Mode);
                new ProtobufWriter().CopyExcept(entries.Reader, Wire.FileEntry.Reg).WriteBytes(Wire.FileEntry.Reg, AddProperties(properties, file).Message).WriteEntry(written);
            }
            else
            {
                WriteRegular(written, id, file);
            }
        }

        foreach ((uint id, OpenRegularFile file) in edits.Added)
        {
            WriteRegular(written, id, file);
        }
    }

    private static void EditDescriptors(ImageEntryReader entries, Stream written, FileEdits edits)
    {
        while (entries.MoveNext())
        {
            uint id = (uint)ReadNumber(entries.Reader, Wire.FdinfoEntry.Id);
            int number = (int)ReadNumber(entries.Reader, Wire.FdinfoEntry.Fd);
            bool isMoved = edits.Moved.TryGetValue((id, number), out uint moved);
            if (isMoved || edits.Changed.ContainsKey(id))
            {
                new ProtobufWriter().CopyExcept(entries.Reader, Wire.FdinfoEntry.Id, Wire.FdinfoEntry.Type)
                    .WriteVarint(Wire.FdinfoEntry.Id, isMoved ? moved : id)
                    .WriteVarint(Wire.FdinfoEntry.Type, RegularType)
                    .WriteEntry(written);
            }
            else
            {
                ProtobufWriter.WriteEntry(written, entries.Message);
            }
        }
    }

    private static void WriteRegular(Stream written, uint id, OpenRegularFile file)
    {
        ProtobufWriter noOwner = new ProtobufWriter()
            .WriteVarint(Wire.FownEntry.Uid, 0).WriteVarint(Wire.FownEntry.Euid, 0).WriteVarint(Wire.FownEntry.Signum, 0)
            .WriteVarint(Wire.FownEntry.PidType, 0).WriteVarint(Wire.FownEntry.Pid, 0);
        ProtobufWriter properties = new ProtobufWriter().WriteVarint(Wire.RegFileEntry.Id, id).WriteBytes(Wire.RegFileEntry.Fown, noOwner.Message);
        new ProtobufWriter()
            .WriteVarint(Wire.FileEntry.Type, RegularType)
            .WriteVarint(Wire.FileEntry.Id, id)
            .WriteBytes(Wire.FileEntry.Reg, AddProperties(properties, file).Message)
            .WriteEntry(written);
    }

    private static ProtobufWriter AddProperties(ProtobufWriter properties, OpenRegularFile file) => properties
        .WriteVarint(Wire.RegFileEntry.Flags, file.Flags)
        .WriteVarint(Wire.RegFileEntry.Pos, file.Position ?? ulong.MaxValue) // criu then does not seek
        .WriteBytes(Wire.RegFileEntry.Name, Encoding.UTF8.GetBytes(file.Path));

    private static ulong ReadNumber(ProtobufReader message, int field)
    {
        ulong value = 0;
        while (message.MoveNext())
        {
            if (message.Field == field)
            {
                value = message.ReadUInt64();
            }
            else
            {
                message.Skip();
            }
        }

        return value;
    }
}
