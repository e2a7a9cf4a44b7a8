using Microsoft.Win32.SafeHandles;

namespace PSCrac.Images.Storage;

/// <summary>
/// An image inside a checkpoint archive, as Podman, CRI-O and the kubelet write it, or in a plain tar file. Nothing is
/// unpacked to disk. Files of a plain tar are read in place. Small files of a compressed archive are kept in memory,
/// and pages files are decompressed as they are read.
/// </summary>
internal sealed class ArchiveImageSource : ImageSource
{
    /// <summary>The size limit for a file of a compressed archive to be kept in memory, in bytes.</summary>
    internal const int MaximumKeptFileSize = 8 << 20;

    /// <summary>The size limit for all of them together, in bytes. Further files are decompressed when they are read.</summary>
    internal const long MaximumKeptTotalSize = 16 << 20;

    private readonly ArchiveCompression _compression;
    private readonly Dictionary<string, TarMember> _members = new(StringComparer.Ordinal);
    private readonly Dictionary<string, byte[]> _kept = new(StringComparer.Ordinal);
    private readonly DateTimeOffset _written;
    private readonly UnpackedContent _unpacked;
    private string _prefix = "";
    private ImageFileInfo[]? _files;

    internal ArchiveImageSource(string path, CancellationToken cancellation = default)
        : base(path)
    {
        _written = File.GetLastWriteTimeUtc(path);
        ArchiveSize = new FileInfo(path).Length;
        _compression = DetectCompression();
        _unpacked = new UnpackedContent(OpenContent);
        Index(cancellation);
        foreach (string name in _members.Keys)
        {
            if (name == "inventory.img" || name.EndsWith("/inventory.img", StringComparison.Ordinal))
            {
                _prefix = name[..^"inventory.img".Length];
            }
        }
    }

    internal override ImageSource? Parent => null;

    internal override long? ArchiveSize { get; }

    /// <summary>Whether the archive is compressed, so that a read further back in it starts at its beginning.</summary>
    internal bool IsCompressed => _compression != ArchiveCompression.None;

    /// <summary>The content of a compressed archive.</summary>
    internal UnpackedContent Unpacked => _unpacked;

    internal override IReadOnlyList<ImageFileInfo> Files => _files ??= ListFiles();

    internal override bool Contains(string name) => Find(name) is not null;

    internal override DateTimeOffset LastWrite(string name) => _written;

    internal override ImageFile? TryOpen(string name) => Find(name) is { } member ? Open(name, member) : null;

    /// <summary>Opens a file of the archive that is not part of the image; null if there is no such file.</summary>
    internal ImageFile? TryOpenMember(string name) => _members.TryGetValue(name, out TarMember member) ? Open(name, member) : null;

    /// <summary>Opens the archive's content from its beginning.</summary>
    internal Stream OpenContent()
    {
        try
        {
            var file = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.Read, _compression == ArchiveCompression.None ? 4096 : 1 << 16);
            return ArchiveFormat.Decompress(file, _compression);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ImageFault.Unreadable(Path, System.IO.Path.GetFileName(Path), e);
        }
    }

    private TarMember? Find(string name)
    {
        if (_members.TryGetValue(_prefix + name, out TarMember member))
        {
            return member;
        }

        // Podman and CRI-O put criu's statistics beside the image.
        return name == "stats-dump" && _members.TryGetValue(name, out member) ? member : null;
    }

    private ImageFile Open(string name, TarMember member)
    {
        if (_compression == ArchiveCompression.None)
        {
            SafeFileHandle handle = File.OpenHandle(Path);
            return new DiskImageFile(Path, name, handle, member.Offset, member.Length, ownsHandle: true);
        }

        return _kept.TryGetValue(member.Name, out byte[]? bytes)
            ? new MemoryImageFile(Path, name, bytes)
            : new CompressedImageFile(this, name, member);
    }

    private ArchiveCompression DetectCompression()
    {
        try
        {
            if (new FileInfo(Path).Length < ArchiveFormat.HeadSize)
            {
                throw ImageFault.NotAnImage(Path, "it is a file, but too short to be a checkpoint archive");
            }

            using SafeFileHandle handle = File.OpenHandle(Path);
            Span<byte> head = stackalloc byte[ArchiveFormat.HeadSize];
            head = head[..RandomAccess.Read(handle, head, 0)];
            return ArchiveFormat.Detect(head)
                ?? throw ImageFault.NotAnImage(Path, "it is a file, but not a checkpoint archive (tar, optionally compressed with gzip or zstd)");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ImageFault.Unreadable(Path, System.IO.Path.GetFileName(Path), e);
        }
    }

    private void Index(CancellationToken cancellation)
    {
        using Stream content = OpenContent();
        var scanner = new TarScanner(content, Path, System.IO.Path.GetFileName(Path), new NameBudget(), cancellation);
        long kept = 0;
        while (scanner.Next() is { } member)
        {
            _members[member.Name] = member;
            bool isKept = _compression != ArchiveCompression.None
                && member.Length <= MaximumKeptFileSize
                && kept + member.Length <= MaximumKeptTotalSize
                && !ImageFileName.IsPages(System.IO.Path.GetFileName(member.Name));
            if (isKept)
            {
                _kept[member.Name] = scanner.Read(member);
                kept += member.Length;
            }
        }
    }

    private ImageFileInfo[] ListFiles()
    {
        var files = new List<ImageFileInfo>();
        foreach (TarMember member in _members.Values)
        {
            if (member.Name.StartsWith(_prefix, StringComparison.Ordinal) && !member.Name.AsSpan(_prefix.Length).Contains('/'))
            {
                files.Add(new ImageFileInfo(member.Name[_prefix.Length..], member.Length));
            }
        }

        if (_prefix.Length > 0 && _members.TryGetValue("stats-dump", out TarMember statistics))
        {
            files.Add(new ImageFileInfo(statistics.Name, statistics.Length));
        }

        files.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return [.. files];
    }
}

/// <summary>A file of a compressed archive that is not kept in memory: a pages file, or one above the size limit.</summary>
internal sealed class CompressedImageFile(ArchiveImageSource archive, string name, TarMember member)
    : ImageFile(archive.Path, name, member.Length)
{
    internal override int ReadAt(long offset, Span<byte> buffer)
    {
        if (offset < 0 || offset >= Length)
        {
            return 0;
        }

        try
        {
            return archive.Unpacked.ReadAt(member.Offset + offset, buffer[..(int)Math.Min(buffer.Length, Length - offset)], Cancellation);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            ImageFault.Corrupt(this, offset, e.Message.TrimEnd('.'));
            return 0;
        }
    }
}
