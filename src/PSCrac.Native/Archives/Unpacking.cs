using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Archives;

/// <summary>Writes the image of an archive to a folder, and hashes what it writes.</summary>
internal sealed class Unpacking
{
    private const uint PrivateFile = 0x180; // 0600
    private const int BufferSize = 1 << 20;
    private const int MaximumDescriptionSize = 16 << 20;
    private readonly ArchiveReader _archive;
    private readonly string _archivePath;
    private readonly FolderHandle _folder;
    private readonly long? _maximumSize;
    private readonly long? _freeSpace;
    private readonly IProgress<CracProgress>? _progress;
    private readonly ArchiveEntryRules _rules;
    private readonly byte[] _buffer = new byte[BufferSize];
    private readonly List<ImageManifestFile> _files = [];
    private readonly Dictionary<string, byte[]> _descriptions = new(StringComparer.Ordinal);
    private long _read;
    private long _written;
    private long _expected;

    private Unpacking(ArchiveReader archive, string archivePath, FolderHandle folder, long? maximumSize, IProgress<CracProgress>? progress)
    {
        _archive = archive;
        _archivePath = archivePath;
        _folder = folder;
        _maximumSize = maximumSize;
        _freeSpace = LibC.FreeSpaceOf(folder.Handle);
        _progress = progress;
        _rules = new ArchiveEntryRules(archivePath);
    }

    /// <summary>Unpacks an archive to its end.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="archivePath">Its full path.</param>
    /// <param name="folder">An empty folder of the caller's own.</param>
    /// <param name="maximumSize">The most bytes that its content may have; null for what there is room for.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <exception cref="CracException">The archive is refused, or damaged, or a file could not be written. The folder has a part of the image then.</exception>
    internal static UnpackedImage Run(ArchiveReader archive, string archivePath, FolderHandle folder, long? maximumSize, IProgress<CracProgress>? progress)
    {
        var unpacking = new Unpacking(archive, archivePath, folder, maximumSize, progress);
        try
        {
            while (archive.Scanner.NextEntry() is { } entry)
            {
                unpacking.Take(entry);
            }

            archive.Complete();
        }
        catch (CracException e)
        {
            throw archive.Explain(e);
        }

        return new UnpackedImage
        {
            Folder = folder,
            ArchivePath = archivePath,
            Files = unpacking._files,
            ContainerNote = unpacking.DescribeContainer(),
        };
    }

    private void Take(in TarEntry entry)
    {
        string? name = _rules.Accept(entry);
        _read += entry.Length;
        if (_maximumSize is { } maximum && (_read < 0 || _read > maximum))
        {
            throw _rules.Refused(CracReason.NoSpace, entry, $"with it, the archive unpacks to more than the {maximum} bytes that are allowed", "Give a larger -MaximumSize, if you trust where the archive comes from.");
        }

        if (name is not null)
        {
            Write(entry, name);
        }
        else if (entry.Name.TrimStart('.', '/') is ArchiveEntryRules.ContainerConfiguration or ArchiveEntryRules.ContainerSpecification && entry.Length <= MaximumDescriptionSize)
        {
            _descriptions[entry.Name.TrimStart('.', '/')] = _archive.Scanner.Read(new TarMember(entry.Name, entry.Length, entry.Offset));
        }
    }

    private void Write(in TarEntry entry, string name)
    {
        if (_freeSpace is { } free && _written + entry.Length > free)
        {
            throw _rules.Refused(CracReason.NoSpace, entry, $"the image has more than the {free} bytes that are free at {_folder.Path}", "Free some space, or give -ImagePath on another file system.");
        }

        using SafeFileHandle file = _folder.Create(name, out Errno errno, PrivateFile);
        Require(errno, name);
        bool isHashed = ImageManifest.IsSealed(name);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long position = 0;
        for (int read; (read = _archive.Scanner.ReadContent(_buffer)) > 0; position += read)
        {
            Write(file, name, position, _buffer.AsSpan(0, read));
            if (isHashed)
            {
                hash.AppendData(_buffer, 0, read);
            }

            _written += read;
            _progress?.Report(new CracProgress(CracPhase.Unpacking, _written, _expected));
        }

        Require(_folder.ChangeMode(name, PrivateFile), name);
        Require(LibC.Sync(file), name);
        if (isHashed)
        {
            _files.Add(new ImageManifestFile(name, position, Convert.ToHexStringLower(hash.GetHashAndReset())));
        }

        if (name == ImageManifest.FileName)
        {
            _expected = ImageManifest.Read(new DirectoryImageSource(_folder, _archivePath))?.Files.Sum(static each => each.Size) ?? 0;
        }
    }

    private void Write(SafeFileHandle file, string name, long position, ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(file, bytes, position);
        }
        catch (IOException e)
        {
            // HResult of a .NET IOException on Unix is the errno.
            Require((Errno)e.HResult, name);
        }
    }

    private void Require(Errno errno, string name)
    {
        if (errno != 0)
        {
            bool isFull = errno is Errno.ENOSPC or Errno.EDQUOT;
            throw new CracException(
                isFull ? CracReason.NoSpace : CracReason.SealFailed,
                $"{name} of the image could not be written to {_folder.Path}: {LibC.Message(errno)}.",
                isFull ? "Free some space, or give -ImagePath on another file system." : "Give -ImagePath in another folder.");
        }
    }

    private string? DescribeContainer()
    {
        if (!_rules.HasContainer)
        {
            return null;
        }

        string engine = CracContainer.FindEngine(ReadDescription(ArchiveEntryRules.ContainerSpecification));
        return $"The image is of a container{(engine.Length == 0 ? "" : $" of {engine}")}. Its root file system, mounts and network are not in the image, and only the container engine can make them: Restore-CracProcess cannot restore it. {CracContainer.RestoreCommand(engine, _archivePath)}";
    }

    private MemoryImageFile? ReadDescription(string name) => _descriptions.TryGetValue(name, out byte[]? bytes) ? new MemoryImageFile(_archivePath, name, bytes) : null;
}
