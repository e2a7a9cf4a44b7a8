using Microsoft.Win32.SafeHandles;

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

    internal abstract bool Contains(string name);

    /// <summary>When a file was last written, UTC.</summary>
    internal abstract DateTimeOffset LastWrite(string name);

    /// <summary>Opens a required file; throws ImageIncomplete if it is missing.</summary>
    internal ImageFile Open(string name)
    {
        ImageFile? file = TryOpen(name);
        if (file is null)
        {
            ImageFault.Missing(Path, name);
        }

        return file;
    }
}

/// <summary>An image as criu writes it: a directory.</summary>
internal sealed class DirectoryImageSource : ImageSource
{
    private const string ParentLink = "parent";
    private readonly Lazy<ImageSource?> _parent;
    private ImageFileInfo[]? _files;

    internal DirectoryImageSource(string path)
        : base(path) => _parent = new(FindParent, LazyThreadSafetyMode.PublicationOnly);

    internal override IReadOnlyList<ImageFileInfo> Files => _files ??= ListFiles();

    internal override ImageSource? Parent => _parent.Value;

    internal override bool Contains(string name) => File.Exists(System.IO.Path.Combine(Path, name));

    internal override DateTimeOffset LastWrite(string name) => File.GetLastWriteTimeUtc(System.IO.Path.Combine(Path, name));

    internal override ImageFile? TryOpen(string name)
    {
        string path = System.IO.Path.Combine(Path, name);
        try
        {
            // Opening a FIFO would block forever. FIFOs and devices have the length 0.
            var info = new FileInfo(path);
            if (!info.Exists)
            {
                return null;
            }

            if ((info.Attributes & FileAttributes.ReparsePoint) != 0 && info.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
            {
                info = target;
            }

            if (info.Length == 0)
            {
                return new MemoryImageFile(Path, name, default);
            }

            SafeFileHandle handle = File.OpenHandle(path);
            return new DiskImageFile(Path, name, handle, 0, RandomAccess.GetLength(handle), ownsHandle: true);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ImageFault.Unreadable(Path, name, e);
        }
    }

    private DirectoryImageSource? FindParent()
    {
        string link = System.IO.Path.Combine(Path, ParentLink);
        return Directory.Exists(link) ? new DirectoryImageSource(Directory.ResolveLinkTarget(link, returnFinalTarget: true)?.FullName ?? link) : null;
    }

    private ImageFileInfo[] ListFiles()
    {
        var files = new List<ImageFileInfo>();
        try
        {
            foreach (FileInfo file in new DirectoryInfo(Path).EnumerateFiles())
            {
                files.Add(new ImageFileInfo(file.Name, file.Length));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ImageFault.Unreadable(Path, "the directory", e);
        }

        files.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return [.. files];
    }
}
