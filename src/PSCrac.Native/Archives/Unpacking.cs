using PSCrac.Common;
using PSCrac.Images.Storage;

namespace PSCrac.Archives;

/// <summary>Writes the image of an archive to a folder.</summary>
internal sealed class Unpacking
{
    private const int MaximumDescriptionSize = 16 << 20;
    private readonly ArchiveReader _archive;
    private readonly string _archivePath;
    private readonly FolderHandle _folder;
    private readonly long? _maximumSize;
    private readonly ArchiveEntryRules _rules;
    private readonly ImageWriter _writer;
    private readonly Dictionary<string, byte[]> _descriptions = new(StringComparer.Ordinal);
    private long _read;

    private Unpacking(ArchiveReader archive, string archivePath, FolderHandle folder, long? maximumSize, ImageWriter writer)
    {
        _archive = archive;
        _archivePath = archivePath;
        _folder = folder;
        _maximumSize = maximumSize;
        _writer = writer;
        _rules = new ArchiveEntryRules(archivePath);
    }

    /// <summary>Unpacks an archive to its end.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="archivePath">Its full path.</param>
    /// <param name="folder">An empty folder of the caller's own.</param>
    /// <param name="maximumSize">The most bytes that its content may have; null for what there is room for.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="isTemporary">Whether the files need not be synced.</param>
    /// <exception cref="CracException">The archive is refused, or damaged, or a file could not be written. The folder has a part of the image then.</exception>
    internal static UnpackedImage Run(
        ArchiveReader archive, string archivePath, FolderHandle folder, long? maximumSize, IProgress<CracProgress>? progress, bool isTemporary = false) =>
        Run(archive, archivePath, folder, maximumSize, new ImageWriter(folder, progress, isTemporary));

    /// <summary>The same with a writer that goes on to write what is not in the archive.</summary>
    internal static UnpackedImage Run(ArchiveReader archive, string archivePath, FolderHandle folder, long? maximumSize, ImageWriter writer)
    {
        var unpacking = new Unpacking(archive, archivePath, folder, maximumSize, writer);
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
            SourcePath = archivePath,
            Files = unpacking._writer.Files,
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
        if (_writer.FreeSpace is { } free && _writer.Written + entry.Length > free)
        {
            throw _rules.Refused(CracReason.NoSpace, entry, $"the image has more than the {free} bytes that are free at {_folder.Path}", "Free some space, or give -ImagePath on another file system.");
        }

        _writer.Write(name, (buffer, _) => _archive.Scanner.ReadContent(buffer));
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
