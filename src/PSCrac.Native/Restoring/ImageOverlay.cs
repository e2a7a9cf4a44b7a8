using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Criu;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Restoring;

/// <summary>
/// An image with some files edited, for one restore: a private directory of links to the image's files, with edited copies of
/// the few small files that have to differ: the tables of open files and of descriptors, and core files.
/// </summary>
internal sealed class ImageOverlay : IDisposable
{
    private const string FilesName = "files.img";
    private const string ParentName = "parent";
    private const ulong RegularType = (ulong)CracFileKind.Regular;

    private const uint PrivateFolder = 0x1C0; // 0700
    private const uint PrivateFile = 0x180; // 0600
    private const string Name = "image";

    private readonly FolderHandle _parent;
    private readonly FolderHandle _folder;
    private readonly List<string> _linked = [];

    private ImageOverlay(FolderHandle parent, FolderHandle folder)
    {
        _parent = parent;
        _folder = folder;
    }

    /// <summary>The directory that criu reads the image from, open.</summary>
    internal SafeFileHandle Handle => _folder.Handle;

    /// <summary>Creates the overlay with the edited files; <see cref="LinkFiles"/> adds the others.</summary>
    /// <param name="image">The image, which is not changed.</param>
    /// <param name="parent">A private folder to create it in, which stays open as long as the overlay is used.</param>
    /// <param name="edits">The edits.</param>
    internal static ImageOverlay Create(CracImage image, FolderHandle parent, FileEdits edits)
    {
        if (!image.Source.Contains(FilesName))
        {
            throw new CracException(CracReason.ImageIncomplete, $"The image {image.Path} has no {FilesName}, so its files cannot be replaced.", "Make the image with criu 3.13 or later.")
            {
                FileName = FilesName,
            };
        }

        Errno errno = parent.MakeFolder(Name, PrivateFolder);
        FolderHandle folder = (errno == 0 ? parent.TryOpenFolder(Name, out errno) : null) ?? throw CannotWrite(parent, errno);
        var overlay = new ImageOverlay(parent, folder);
        try
        {
            overlay.Write(image, edits);
            return overlay;
        }
        catch
        {
            overlay.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Adds links to the image's other files. They lead through a descriptor of the folder whose owner was checked: its path could
    /// lead to another one by the time that criu opens them.
    /// </summary>
    /// <param name="images">The image's folder, by a path that holds for criu.</param>
    internal void LinkFiles(string images)
    {
        foreach (string name in _linked)
        {
            if (_folder.MakeLink(name, $"{images}/{name}") is var errno and not 0)
            {
                throw CannotWrite(_folder, errno);
            }
        }
    }

    public void Dispose()
    {
        if (_folder.DeleteContents(TrustedUsers.Read()) == 0)
        {
            _parent.DeleteFolder(Name);
        }

        _folder.Dispose();
    }

    private void Write(CracImage image, FileEdits edits)
    {
        foreach (ImageFileInfo file in image.Source.Files)
        {
            if (file.Name == FilesName)
            {
                Edit(image, file.Name, ImageType.Files, (entries, written) => EditFiles(entries, written, edits));
            }
            else if (file.Name.StartsWith("fdinfo-", StringComparison.Ordinal))
            {
                Edit(image, file.Name, ImageType.Fdinfo, (entries, written) => EditDescriptors(entries, written, edits));
            }
            else if (edits.WithoutParentDeathSignal.Contains(file.Name))
            {
                Edit(image, file.Name, ImageType.Core, RemoveParentDeathSignal);
            }
            else
            {
                _linked.Add(file.Name);
            }
        }

        if (image.Source.Parent is not null)
        {
            _linked.Add(ParentName);
        }
    }

    private void Edit(CracImage image, string name, ImageType type, Action<ImageEntryReader, Stream> edit)
    {
        using ImageEntryReader entries = image.Source.OpenEntries(name, type);
        using SafeFileHandle file = _folder.Create(name, out Errno errno, PrivateFile);
        if (errno != 0)
        {
            throw CannotWrite(_folder, errno);
        }

        using FileStream written = new(file, FileAccess.Write);
        ProtobufWriter.WriteMagic(written, entries);
        edit(entries, written);
    }

    private static CracException CannotWrite(FolderHandle folder, Errno errno) => new(
        errno is Errno.ENOSPC or Errno.EDQUOT ? CracReason.NoSpace : CracReason.PermissionDenied, $"The folder {folder.Path} could not be written to: {LibC.Message(errno)}.",
        $"Name a folder that you may write to, and that has room, with {CriuWorkDirectory.LogRootVariable}.");

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
                reader.MoveTo(Wire.FileEntry.Reg);

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

    private static void RemoveParentDeathSignal(ImageEntryReader entries, Stream written)
    {
        entries.MoveToFirst();
        ProtobufReader reader = entries.Reader;
        reader.MoveTo(Wire.CoreEntry.ThreadCore);
        ProtobufWriter thread = new ProtobufWriter().CopyExcept(reader.ReadMessage(), Wire.ThreadCoreEntry.PdeathSig);
        new ProtobufWriter().CopyExcept(entries.Reader, Wire.CoreEntry.ThreadCore).WriteBytes(Wire.CoreEntry.ThreadCore, thread.Message).WriteEntry(written);
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
