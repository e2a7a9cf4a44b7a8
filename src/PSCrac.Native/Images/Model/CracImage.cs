using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>
/// A checkpoint image: a directory that criu, a CRaC JVM or PSCrac wrote. Everything is read when it is first asked for
/// and kept then; a damaged file shows as a <see cref="CracException"/> from the property that needs it.
/// </summary>
public sealed partial class CracImage
{
    private const string Inventory = "inventory.img";
    private const string Pstree = "pstree.img";
    private readonly ImageSource _source;
    private IReadOnlyList<CracImageProcess>? _processes;
    private IReadOnlyList<int>? _processIds;
    private IReadOnlyList<int>? _threadIds;

    // What may be absent. Of threads that ask at once each may read; a failure is not kept, but met again by the next that asks.
    private readonly Lazy<CracImageStatistics?> _statistics;
    private readonly Lazy<string?> _criuVersion;
    private readonly Lazy<CracContainer?> _container;
    private readonly Lazy<CracImageRecord?> _cpu;
    private long _size = -1;
    private long _memory = -1;

    private CracImage(ImageSource source, ImageManifest? manifest)
    {
        _source = source;
        Manifest = manifest;
        _statistics = new(() => CracImageStatistics.Read(source), LazyThreadSafetyMode.PublicationOnly);
        _criuVersion = new(() => manifest?.CriuVersion ?? DumpLog.FindVersion(source), LazyThreadSafetyMode.PublicationOnly);
        _container = new(() => source is ArchiveImageSource archive ? CracContainer.Read(archive) : null, LazyThreadSafetyMode.PublicationOnly);
        _cpu = new(() => ReadCpu(source), LazyThreadSafetyMode.PublicationOnly);
        Name = System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(source.Path));
    }

    /// <summary>The directory's, or the archive's, name.</summary>
    public string Name { get; }

    /// <summary>The directory's, or the archive's, full path.</summary>
    public string Path => _source.Path;

    /// <summary>When the checkpoint was taken, in local time: from the manifest, else when inventory.img was written.</summary>
    public DateTime Created => (Manifest?.Created ?? _source.LastWrite(Inventory)).LocalDateTime;

    /// <summary>What PSCrac recorded beside criu's files; null for an image that criu or a JVM made without PSCrac.</summary>
    internal ImageManifest? Manifest { get; }

    /// <summary>The process id of the tree's root.</summary>
    public int RootProcessId => Manifest?.Process.RootPid ?? Processes[0].ProcessId;

    /// <summary>The root's command line for display: its arguments with blanks between them, or, without a manifest, its short name.</summary>
    public string Command =>
        Manifest is { Process.Command: { Count: > 0 } command } ? string.Join(' ', command) : Processes[0].Command;

    /// <summary>How many processes the image holds.</summary>
    public int ProcessCount => Manifest is { Process.ProcessCount: > 0 and int count } ? count : Processes.Count;

    /// <summary>How many threads the image's processes have in all.</summary>
    public int ThreadCount => Manifest is { Process.ThreadCount: > 0 and int count } ? count : ThreadIds.Count;

    /// <summary>How much memory the image holds, in bytes: the size of its pages files, without those of a parent image.</summary>
    public long Memory => _memory >= 0 ? _memory : _memory = SumMemory();

    /// <summary>What the image takes on disk, in bytes: the sizes of the directory's files.</summary>
    public long Size => _size >= 0 ? _size : _size = SumFiles();

    /// <summary>What took the checkpoint.</summary>
    public CracEngine Engine =>
        Manifest is null
            ? _source.Contains("cppath") ? CracEngine.Jvm : CracEngine.Criu
            : Manifest.Engine.Equals("jvm", StringComparison.OrdinalIgnoreCase) ? CracEngine.Jvm : CracEngine.Criu;

    /// <summary>The version of criu that took the checkpoint: from the manifest, else from its log; null where neither tells.</summary>
    public string? CriuVersion => _criuVersion.Value;

    /// <summary>The machine the checkpoint was taken on; null without a manifest.</summary>
    internal ImageManifestHost? Host => Manifest?.Host;

    /// <summary>The options the checkpoint was taken with, by criu's long option names; empty without a manifest.</summary>
    internal IReadOnlyDictionary<string, object> Options => Manifest?.Options ?? System.Collections.ObjectModel.ReadOnlyDictionary<string, object>.Empty;

    /// <summary>Whether the image can be restored only once (link-remap); false where there is no manifest to say so.</summary>
    public bool IsOneShot => Manifest?.OneShot ?? false;

    /// <summary>What criu measured while it took the checkpoint; null where there is no stats-dump.</summary>
    internal CracImageStatistics? Statistics => _statistics.Value;

    /// <summary>The processes, parents before their children; the first is the root.</summary>
    internal IReadOnlyList<CracImageProcess> Processes => _processes ??= CracImageProcess.ReadAll(this);

    /// <summary>The ids of all processes, the root's first.</summary>
    internal IReadOnlyList<int> ProcessIds
    {
        get
        {
            if (_processIds is null)
            {
                var ids = new int[Processes.Count];
                for (int i = 0; i < ids.Length; i++)
                {
                    ids[i] = Processes[i].ProcessId;
                }

                _processIds = ids;
            }

            return _processIds;
        }
    }

    /// <summary>The ids of all threads of all processes, the processes' own ids among them: what must be free for a restore.</summary>
    internal IReadOnlyList<int> ThreadIds
    {
        get
        {
            if (_threadIds is null)
            {
                var ids = new List<int>();
                foreach (CracImageProcess process in Processes)
                {
                    ids.AddRange(process.ThreadIds);
                }

                _threadIds = ids;
            }

            return _threadIds;
        }
    }

    /// <summary>The container, where the image is in a checkpoint archive of one; null where it is not.</summary>
    internal CracContainer? Container => _container.Value;

    /// <summary>Whether the image is in an archive: it has to be imported before it can be restored.</summary>
    public bool IsArchive => _source is ArchiveImageSource;

    internal ImageSource Source => _source;

    /// <summary>Opens an image.</summary>
    /// <param name="path">
    /// The image's directory, or a checkpoint archive as Podman, CRI-O and the kubelet write it (tar, plain or compressed with
    /// gzip or, where libzstd is there, zstd), which is read without unpacking it to disk.
    /// </param>
    /// <returns>The image; what is in it is read when it is asked for.</returns>
    /// <exception cref="CracException">
    /// NotAnImage where nothing, or something else, is at the path; ImageIncomplete where the checkpoint did not finish or
    /// files are missing; ImageCorrupt where a file is damaged; PermissionDenied where it may not be read.
    /// </exception>
    public static CracImage Open(string path)
    {
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        if (Directory.Exists(full))
        {
            try
            {
                // A directory that may not be read looks like one without files.
                _ = Directory.EnumerateFileSystemEntries(full).Any();
            }
            catch (UnauthorizedAccessException e)
            {
                throw ImageFault.Unreadable(full, Inventory, e);
            }

            return Open(new DirectoryImageSource(full));
        }

        return File.Exists(full) ? Open(new ArchiveImageSource(full)) : throw ImageFault.NotAnImage(full, "there is nothing there");
    }

    /// <summary>Whether a directory looks like an image: it holds inventory.img, or a manifest. Reads nothing.</summary>
    /// <param name="path">A path; need not exist.</param>
    public static bool IsImageDirectory(string path) =>
        File.Exists(System.IO.Path.Combine(path, Inventory)) || File.Exists(System.IO.Path.Combine(path, ImageManifest.FileName));

    /// <summary>
    /// Whether the files that a restore needs are there: those of every process and, where there is a manifest, all that
    /// it lists, in the sizes it lists. Looks at names and sizes only; Test-CracImage -Full reads what is in them.
    /// </summary>
    /// <param name="missing">The name of the first file that is missing or of another size; null where none is.</param>
    /// <exception cref="CracException">The process tree cannot be read.</exception>
    public bool IsRestorable([System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out string? missing)
    {
        var lengths = new Dictionary<string, long>(_source.Files.Count, StringComparer.Ordinal);
        foreach (ImageFileInfo file in _source.Files)
        {
            lengths[file.Name] = file.Length;
        }

        missing = null;
        foreach (ImageManifestFile file in Manifest?.Files ?? [])
        {
            if (!lengths.TryGetValue(file.Name, out long length) || length != file.Size)
            {
                missing = file.Name;
                return false;
            }
        }

        foreach (CracImageProcess process in Processes)
        {
            missing ??= process.FirstMissing(lengths);
        }

        return missing is null;
    }

    /// <inheritdoc/>
    public override string ToString() => Path;

    internal static CracImage Open(ImageSource source)
    {
        bool hasInventory = source.Contains(Inventory);
        if (hasInventory && ImageManifest.Read(source) is { } manifest)
        {
            return new CracImage(source, manifest);
        }

        if (!hasInventory)
        {
            if (source.Contains(ImageManifest.FileName) || source.Contains(Pstree) || source.Contains("dump.log") || source.Contains("dump4.log"))
            {
                ImageFault.Missing(source.Path, Inventory);
            }

            throw ImageFault.NotAnImage(source.Path, "it has no inventory.img");
        }

        source.OpenEntries(Inventory, ImageType.Inventory).Dispose();
        var image = new CracImage(source, null);
        _ = image.Processes;
        return image;
    }

    private long SumFiles()
    {
        long sum = 0;
        foreach (ImageFileInfo file in _source.Files)
        {
            sum += file.Length;
        }

        return sum;
    }

    private long SumMemory()
    {
        long sum = 0;
        if (Manifest is { Files.Count: > 0 })
        {
            foreach (ImageManifestFile file in Manifest.Files)
            {
                sum += ImageFileName.IsPages(file.Name) ? file.Size : 0;
            }

            return sum;
        }

        foreach (ImageFileInfo file in _source.Files)
        {
            sum += ImageFileName.IsPages(file.Name) ? file.Length : 0;
        }

        return sum;
    }
}
