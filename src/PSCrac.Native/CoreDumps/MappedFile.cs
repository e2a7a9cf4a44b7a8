using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.CoreDumps;

/// <summary>A file that a process had mapped, and whether it is still the same: its size, its time, and its build id where the image has one.</summary>
internal sealed class MappedFile : IDisposable
{
    private readonly SafeFileHandle? _file;
    private readonly GhostFile? _ghost;

    private MappedFile(string path, CracOmissionReason state)
    {
        Path = path;
        State = state;
    }

    private MappedFile(string path, SafeFileHandle file)
        : this(path, CracOmissionReason.InFile)
    {
        Span<byte> head = stackalloc byte[4];
        _file = file;
        Length = RandomAccess.GetLength(file);
        IsElf = RandomAccess.Read(file, head, 0) == head.Length && head.SequenceEqual("\u007fELF"u8);
    }

    private MappedFile(string path, GhostFile ghost)
        : this(path, CracOmissionReason.InFile)
    {
        _ghost = ghost;
        Length = ghost.Length;
    }

    /// <summary>The path at the checkpoint.</summary>
    internal string Path { get; }

    /// <summary><see cref="CracOmissionReason.InFile"/> if the file can be read and is the same; otherwise why not.</summary>
    internal CracOmissionReason State { get; }

    internal bool IsSame => State == CracOmissionReason.InFile;

    /// <summary>Whether its content is in the image: it had no name at the checkpoint.</summary>
    internal bool IsInImage => _ghost is not null;

    /// <summary>The length in bytes; 0 if it is not the same.</summary>
    internal long Length { get; }

    /// <summary>Whether it is a program or a library.</summary>
    internal bool IsElf { get; }

    /// <summary>Opens the file of an entry in the table of files.</summary>
    /// <param name="image">The image. A file that was written since its checkpoint is not the same.</param>
    /// <param name="id">The id of the file.</param>
    internal static MappedFile Open(CracImage image, uint id)
    {
        string path = image.OpenFiles.PathOf(id);
        if (image.OpenFiles.Find(id)?.GetRecord("reg") is not { } entry)
        {
            return new MappedFile(path, CracOmissionReason.NotDumped);
        }

        string name = path;
        if (image.Remaps.TryGetValue(id, out (string Type, uint Id) remap))
        {
            if (remap.Type == Remap.Ghost && GhostFile.TryOpen(image.Source, remap.Id) is { } ghost)
            {
                return new MappedFile(path, ghost);
            }

            if (remap.Type != Remap.Linked)
            {
                return new MappedFile(path, CracOmissionReason.FileMissing);
            }

            name = image.OpenFiles.PathOf(remap.Id);
        }

        return OpenPath(path, name.StartsWith('/') ? name : "/" + name, entry, image.Created.ToUniversalTime());
    }

    /// <summary>Reads a part; what is behind the end of the file is filled with zeros, as in the last page of a mapping.</summary>
    internal void Read(long offset, Span<byte> buffer)
    {
        if (_ghost is not null)
        {
            _ghost.Read(offset, buffer);
            return;
        }

        try
        {
            int done = 0;
            for (int read; done < buffer.Length && (read = RandomAccess.Read(_file!, buffer[done..], offset + done)) > 0; done += read)
            {
            }

            buffer[done..].Clear();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CracException(CracReason.FileMissing, $"{Path}, which the process had mapped, cannot be read: {e.Message}", "Give -IncludeFile None, and the core has nothing of mapped files.", e);
        }
    }

    public void Dispose()
    {
        _file?.Dispose();
        _ghost?.Dispose();
    }

    private static MappedFile OpenPath(string path, string name, CracImageRecord entry, DateTime created)
    {
        // Opening a FIFO would wait for a writer.
        SafeFileHandle file = LibC.Open(name, LibC.O_RDONLY | LibC.O_NONBLOCK | LibC.O_NOCTTY, out Errno errno);
        if (errno == 0 && FileStatus.TryReadAt(file, "", LibC.AT_EMPTY_PATH, out FileStatus status, out errno) && status.Type == FileType.Regular && IsUnchanged(entry, status, file, created))
        {
            return new MappedFile(path, file);
        }

        file.Dispose();
        return new MappedFile(path, errno != 0 ? CracOmissionReason.FileMissing : CracOmissionReason.FileChanged);
    }

    private static bool IsUnchanged(CracImageRecord entry, in FileStatus status, SafeFileHandle file, DateTime created) =>
        entry.ContainsKey("size") && (long)entry.GetNumber("size") == status.SizeBytes
        && File.GetLastWriteTimeUtc(file) <= created
        && (entry.GetItems("build_id") is not { Length: > 0 } expected || (ElfBuildId.TryRead(file) is { } actual && ElfBuildId.IsSame(expected, actual)));
}
