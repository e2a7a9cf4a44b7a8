namespace PSCrac.Images.Storage;

/// <summary>The name and length of one file of an image.</summary>
internal readonly record struct ImageFileInfo(string Name, long Length);

/// <summary>Provides an image's files: a directory, or an archive that contains one.</summary>
internal abstract class ImageSource(string path)
{
    /// <summary>The full path of the directory or of the archive.</summary>
    internal string Path { get; } = path;

    /// <summary>All files, ordered by name.</summary>
    internal abstract IReadOnlyList<ImageFileInfo> Files { get; }

    /// <summary>Opens a file; null if there is no such file.</summary>
    internal abstract ImageFile? TryOpen(string name);

    /// <summary>The parent image of an incremental dump; null if there is none.</summary>
    internal abstract ImageSource? Parent { get; }

    /// <summary>The size of the archive itself, in bytes; null for a directory.</summary>
    internal virtual long? ArchiveSize => null;

    /// <summary>The image, its parent image, the parent's and so on. Links to parents may form a cycle, which ends after a number above any real one.</summary>
    internal IEnumerable<ImageSource> Chain
    {
        get
        {
            const int MaximumLevels = 256;
            int level = 0;
            for (ImageSource? each = this; each is not null && level < MaximumLevels; each = each.Parent)
            {
                level++;
                yield return each;
            }
        }
    }

    internal abstract bool Contains(string name);

    /// <summary>When a file was last written, UTC.</summary>
    internal abstract DateTimeOffset LastWrite(string name);

    /// <summary>Opens a file whose reads can be cancelled; null if there is no such file.</summary>
    internal ImageFile? TryOpen(string name, CancellationToken cancellation)
    {
        ImageFile? file = TryOpen(name);
        file?.Cancellation = cancellation;
        return file;
    }

    /// <summary>Opens a required file; throws ImageIncomplete if it is missing.</summary>
    internal ImageFile Open(string name, CancellationToken cancellation = default)
    {
        ImageFile? file = TryOpen(name, cancellation);
        if (file is null)
        {
            ImageFault.Missing(Path, name);
        }

        return file;
    }
}
