using System.Text;
using PSCrac.Images.Format;
using PSCrac.Images.Memory;
using PSCrac.Images.Storage;

namespace PSCrac;

public sealed partial class CracImageProcess
{
    // Above the kernel's limit for a command line: the sizes in a damaged image must not be allocated.
    private const int MaximumStringsLength = 8 << 20;

    // The kernel's default for fs.nr_open.
    private const int MaximumDescriptors = 1 << 20;

    // The memory that a CracImageFile takes, in bytes.
    private const int FileSize = 72;

    private ProcessMemory? _memory;
    private CracImageCredentials? _credentials;
    private CracImageRecord? _coreRecord;
    private IReadOnlyList<CracImageFile>? _files;
    private IReadOnlyList<CracImageSocket>? _sockets;
    private IReadOnlyList<CracImageMemoryArea>? _areas;
    private IReadOnlyList<CracImageTimer>? _timers;
    private IReadOnlyList<string>? _commandLine;
    private IReadOnlyList<string>? _environment;

    /// <summary>The open descriptors, ordered by number, then the working directory, root directory and executable.</summary>
    internal IReadOnlyList<CracImageFile> Files => _files ??= ReadFiles();

    /// <summary>The descriptors that are sockets.</summary>
    internal IReadOnlyList<CracImageSocket> Sockets => _sockets ??= ReadSockets();

    /// <summary>The mapped memory areas, ordered by address; empty for a process that had ended.</summary>
    internal IReadOnlyList<CracImageMemoryArea> MemoryAreas => _areas ??= ReadAreas();

    /// <summary>The interval timers, POSIX timers and timer descriptors that were set.</summary>
    internal IReadOnlyList<CracImageTimer> Timers => _timers ??= CracImageTimer.ReadAll(this);

    /// <summary>The credentials of the process's main thread; null for a process that had ended.</summary>
    internal CracImageCredentials? Credentials =>
        _credentials ??= CoreRecord.GetRecord("thread_core")?.GetRecord("creds") is { } creds ? new CracImageCredentials(creds) : null;

    /// <summary>The executable's path; null for a process that had ended.</summary>
    public string? Executable => PathOf(CracFileRole.Executable);

    /// <summary>The working directory; null for a process that had ended.</summary>
    public string? WorkingDirectory => PathOf(CracFileRole.WorkingDirectory);

    /// <summary>
    /// The command line, one element per argument, from the dumped memory; empty if the process had ended or
    /// the image does not have that part of its memory.
    /// </summary>
    internal IReadOnlyList<string> CommandLine =>
        _commandLine ??= AddressSpace is { } space ? ReadStrings(space.ArgumentsStart, space.ArgumentsEnd) : [];

    /// <summary>The initial environment, one "NAME=value" per element, from the dumped memory; empty in the same cases as <see cref="CommandLine"/>.</summary>
    internal IReadOnlyList<string> Environment =>
        _environment ??= AddressSpace is { } space ? ReadStrings(space.EnvironmentStart, space.EnvironmentEnd) : [];

    /// <summary>The decoded core entry of the process: registers, signals, limits and more.</summary>
    internal CracImageRecord Details => CoreRecord;

    internal AddressSpace? AddressSpace => _space.Value;

    /// <summary>The content of the process's memory; null for a process that had ended.</summary>
    internal ProcessMemory? DumpedMemory =>
        _memory ??= AddressSpace is { } space ? new ProcessMemory(_source, ProcessId, space, id => _image.OpenFiles.FindSharedMemory(id)) : null;

    private CracImageRecord CoreRecord => _coreRecord ??= ReadCoreRecord();

    /// <summary>Reads from the process's memory.</summary>
    /// <param name="address">The first byte's address.</param>
    /// <param name="length">The number of bytes, 0 to 2,147,483,591.</param>
    /// <returns>The bytes; fewer than requested if the image does not have the next byte.</returns>
    /// <exception cref="CracException">The first byte is not in the image; the message says where it is.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative or too large for an array.</exception>
    public byte[] ReadMemory(ulong address, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Array.MaxLength);
        try
        {
            return ReadBytes(address, length);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Read, ProcessId, _source.Path);
            throw;
        }
    }

    private byte[] ReadBytes(ulong address, int length)
    {
        if (DumpedMemory is not { } memory)
        {
            throw NotInImage(address, "the process had ended");
        }

        // A damaged image may state a huge size. Allocate only as data is read.
        byte[] bytes = new byte[Math.Min(length, 1 << 20)];
        int done = 0;
        while (true)
        {
            (int read, PageOrigin next) = memory.Read(address + (ulong)done, bytes.AsSpan(done));
            done += read;
            if (done == length)
            {
                return bytes;
            }

            if (done < bytes.Length)
            {
                return done > 0 ? bytes[..done] : throw NotInImage(address, DescribeOrigin(next));
            }

            Array.Resize(ref bytes, (int)Math.Min(length, bytes.Length * 2L));
        }
    }

    private static string DescribeOrigin(PageOrigin origin) => origin switch
    {
        PageOrigin.MappedFile => "an unchanged file is mapped there, and its content is in the file, not in the image",
        PageOrigin.Lazy => "the pages are lazy pages, which were left in the process to be fetched later",
        PageOrigin.MissingInParent => "the pages are in a parent image, which is missing or does not have them",
        _ => "nothing is mapped there",
    };

    private CracException NotInImage(ulong address, string why) =>
        new(
            CracReason.MemoryNotInImage,
            $"The memory of process {ProcessId} at 0x{address:x} is not in the image: {why}.",
            "The process's MemoryAreas list the mapped areas, and how much of each is in the image.");

    /// <summary>Counts the process's descriptors and adds them to the list, if one is given.</summary>
    private int ReadDescriptors(List<CracImageFile>? files)
    {
        using ImageEntryReader? entries = Core.FilesId == 0 ? null : _source.TryOpenEntries($"fdinfo-{Core.FilesId}.img", ImageType.Fdinfo);
        int count = 0;
        while (entries is not null && entries.MoveNext())
        {
            if (++count > MaximumDescriptors)
            {
                ImageFault.Corrupt(entries.File, entries.MessageOffset, $"it has more than {MaximumDescriptors} descriptors, the most that are read");
            }

            uint id = 0;
            uint flags = 0;
            uint descriptor = 0;
            ProtobufReader entry = entries.Reader;
            while (entry.MoveNext())
            {
                switch (entry.Field)
                {
                    case Wire.FdinfoEntry.Id:
                        id = entry.ReadUInt32();
                        break;
                    case Wire.FdinfoEntry.Flags:
                        flags = entry.ReadUInt32();
                        break;
                    case Wire.FdinfoEntry.Fd:
                        descriptor = entry.ReadUInt32();
                        break;
                    default:
                        entry.Skip();
                        break;
                }
            }

            entry.RequireFields(Wire.FdinfoEntry.Required);
            files?.Add(new CracImageFile(_image.OpenFiles, ProcessId, CracFileRole.Descriptor, (int)descriptor, (flags & 1) != 0, id));
        }

        return count;
    }

    private CracImageFile[] ReadFiles()
    {
        var files = new List<CracImageFile>();
        ReadDescriptors(files);
        _image.Keep((long)files.Count * FileSize, $"fdinfo-{Core.FilesId}.img");
        files.Sort(static (a, b) => a.Descriptor!.Value.CompareTo(b.Descriptor!.Value));
        using ImageEntryReader? entries = _source.TryOpenEntries($"fs-{(uint)ProcessId}.img", ImageType.Fs);
        if (entries is not null && entries.MoveNext())
        {
            ProtobufReader entry = entries.Reader;
            while (entry.MoveNext())
            {
                switch (entry.Field)
                {
                    case Wire.FsEntry.CwdId:
                        files.Add(new CracImageFile(_image.OpenFiles, ProcessId, CracFileRole.WorkingDirectory, null, false, entry.ReadUInt32()));
                        break;
                    case Wire.FsEntry.RootId:
                        files.Add(new CracImageFile(_image.OpenFiles, ProcessId, CracFileRole.RootDirectory, null, false, entry.ReadUInt32()));
                        break;
                    default:
                        entry.Skip();
                        break;
                }
            }

            entry.RequireFields(Wire.FsEntry.Required);
        }

        if (AddressSpace is { } space)
        {
            files.Add(new CracImageFile(_image.OpenFiles, ProcessId, CracFileRole.Executable, null, false, space.ExecutableId));
        }

        return [.. files];
    }

    private CracImageSocket[] ReadSockets()
    {
        var sockets = new List<CracImageSocket>();
        foreach (CracImageFile file in Files)
        {
            if (file.Role == CracFileRole.Descriptor && CracImageSocket.From(file, _image.OpenFiles) is { } socket)
            {
                sockets.Add(socket);
            }
        }

        return [.. sockets];
    }

    private CracImageMemoryArea[] ReadAreas()
    {
        if (DumpedMemory is not { } memory)
        {
            return [];
        }

        var areas = new CracImageMemoryArea[memory.Space.Areas.Length];
        for (int i = 0; i < areas.Length; i++)
        {
            areas[i] = new CracImageMemoryArea(memory, memory.Space.Areas[i], _image.OpenFiles);
        }

        return areas;
    }

    private CracImageRecord ReadCoreRecord()
    {
        string name = $"core-{(uint)ProcessId}.img";
        foreach (CracImageRecord core in _source.ReadRecords(name, ImageType.Core))
        {
            return core;
        }

        ImageFault.Missing(_source.Path, name);
        return null;
    }

    /// <summary>The ids of the kernel objects that the process shares with others; null if the image has none.</summary>
    internal CracImageRecord? ReadIds()
    {
        foreach (CracImageRecord ids in _source.ReadRecords($"ids-{(uint)ProcessId}.img", ImageType.Ids))
        {
            return ids;
        }

        return CoreRecord.GetRecord("ids");
    }

    private string? PathOf(CracFileRole role)
    {
        foreach (CracImageFile file in Files)
        {
            if (file.Role == role)
            {
                return file.Path;
            }
        }

        return null;
    }

    /// <summary>Reads null-terminated strings.</summary>
    private string[] ReadStrings(ulong start, ulong end)
    {
        if (DumpedMemory is not { } memory || end <= start || end - start > MaximumStringsLength)
        {
            return [];
        }

        byte[] bytes = new byte[end - start];
        Span<byte> rest = bytes.AsSpan(0, memory.Read(start, bytes).Read);
        var strings = new List<string>();
        while (!rest.IsEmpty)
        {
            int length = rest.IndexOf((byte)0);
            length = length < 0 ? rest.Length : length;
            strings.Add(Encoding.UTF8.GetString(rest[..length]));
            rest = rest[Math.Min(rest.Length, length + 1)..];
        }

        // A program that changes its title overwrites the area and leaves zeros after the new title.
        while (strings.Count > 0 && strings[^1].Length == 0)
        {
            strings.RemoveAt(strings.Count - 1);
        }

        return [.. strings];
    }
}
