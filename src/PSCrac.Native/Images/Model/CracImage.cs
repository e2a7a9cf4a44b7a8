using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Memory;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac;

/// <summary>
/// A checkpoint image: a directory that criu, a CRaC JVM or PSCrac wrote. Each part is read on first use
/// and then cached; if a file is damaged, the property that needs it throws a <see cref="CracException"/>.
/// </summary>
public sealed partial class CracImage
{
    private const string Inventory = ImageInventory.FileName;
    private const string Pstree = "pstree.img";

    // What is kept of an image's entries. The files of many processes may be links to one large file.
    private const long MaximumKept = 1 << 30;
    private readonly ImageSource _source;
    private IReadOnlyList<CracImageProcess>? _processes;
    private IReadOnlyList<int>? _processIds;
    private IReadOnlyList<int>? _threadIds;

    // Values that may be null. Threads may read them concurrently; failures are not cached, so a later call tries again.
    private readonly Lazy<CracImageStatistics?> _statistics;
    private readonly Lazy<string?> _criuVersion;
    private readonly Lazy<CracContainer?> _container;
    private readonly Lazy<string?> _claimedSigner;
    private readonly Lazy<CracImageRecord?> _cpu;
    private readonly ImageInventory? _inventory;
    private long _size = -1;
    private long _memory = -1;
    private long _kept;

    private CracImage(ImageSource source, ImageManifest? manifest)
    {
        _source = source;
        Manifest = manifest;
        _inventory = TryReadInventory(source);
        _inventory?.RequireKnown(source.Path);
        _statistics = new(() => CracImageStatistics.Read(source), LazyThreadSafetyMode.PublicationOnly);
        _criuVersion = new(() => manifest?.CriuVersion ?? DumpLog.FindVersion(source), LazyThreadSafetyMode.PublicationOnly);
        _container = new(() => source is ArchiveImageSource archive ? CracContainer.Read(archive) : null, LazyThreadSafetyMode.PublicationOnly);
        _claimedSigner = new(() => IsEncrypted ? null : ReadSigner(source), LazyThreadSafetyMode.PublicationOnly);
        _cpu = new(() => ReadCpu(source), LazyThreadSafetyMode.PublicationOnly);
        string name = System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(source.Path));
        Name = IsArchive ? ArchiveFormat.RemoveSuffixes(name) : name;
    }

    /// <summary>The name of the directory, or that of the archive without its suffixes (.tar, .zst, .gz, .age).</summary>
    public string Name { get; private set; }

    /// <summary>
    /// The service whose image it is: the name of its folder, if the image is named by the time of its checkpoint (yyyyMMdd-HHmmss in UTC);
    /// null for another image.
    /// </summary>
    internal string? ServiceName => ImageSeries.FolderOf(this) is { } folder ? System.IO.Path.GetFileName(folder) : null;

    /// <summary>The full path of the directory or archive.</summary>
    public string Path => _source.Path;

    /// <summary>When the checkpoint was taken, in local time: from the manifest, else the time of inventory.img.</summary>
    public DateTime Created => (Manifest?.Created ?? _source.LastWrite(Inventory)).LocalDateTime;

    /// <summary>PSCrac's manifest (pscrac.json); null for an image that criu or a JVM wrote without PSCrac.</summary>
    internal ImageManifest? Manifest { get; }

    /// <summary>The process id of the tree's root.</summary>
    public int RootProcessId => Manifest?.Process.RootPid ?? Processes[0].ProcessId;

    /// <summary>The root's command line for display: its arguments separated by spaces or, without a manifest, its short name.</summary>
    public string Command =>
        Manifest is { Process.Command: { Count: > 0 } command } ? string.Join(' ', command) : Processes[0].Command;

    /// <summary>The number of processes.</summary>
    public int ProcessCount => Manifest is { Process.ProcessCount: > 0 and int count } ? count : Processes.Count;

    /// <summary>The number of threads of all processes.</summary>
    public int ThreadCount => Manifest is { Process.ThreadCount: > 0 and int count } ? count : ThreadIds.Count;

    /// <summary>The size of the dumped memory, in bytes, when it is not compressed; without what is in a parent image.</summary>
    public long Memory => _memory >= 0 ? _memory : _memory = SumMemory();

    /// <summary>The total size of the files in the directory, or the size of the archive, in bytes.</summary>
    public long Size => _size >= 0 ? _size : _size = _source.ArchiveSize ?? SumFiles();

    /// <summary>Whether the memory is compressed (criu 4.3, -Compress). <see cref="Size"/> is then less than <see cref="Memory"/>.</summary>
    internal bool IsCompressed => _inventory is { IsCompressed: true };

    /// <summary>The version of the format of criu's files; null if inventory.img is damaged.</summary>
    internal uint? FormatVersion => _inventory?.Version;

    /// <summary>What took the checkpoint.</summary>
    public CracEngine Engine =>
        Manifest is null
            ? _source.Contains("cppath") || _source.Contains("engine") ? CracEngine.Jvm : CracEngine.Criu
            : Manifest.Engine.Equals("jvm", StringComparison.OrdinalIgnoreCase) ? CracEngine.Jvm : CracEngine.Criu;

    /// <summary>The version of criu that took the checkpoint: from the manifest, else from criu's log; null if neither has it.</summary>
    public string? CriuVersion => _criuVersion.Value;

    /// <summary>The host on which the checkpoint was taken; null without a manifest.</summary>
    internal ImageManifestHost? Host => Manifest?.Host;

    /// <summary>The options of the checkpoint, by criu's long option names; empty without a manifest.</summary>
    internal IReadOnlyDictionary<string, object> Options => Manifest?.Options ?? System.Collections.ObjectModel.ReadOnlyDictionary<string, object>.Empty;

    /// <summary>Whether the image can be restored only once, because a restore consumes its helper links (link-remap).</summary>
    public bool IsOneShot => Manifest is { OneShot: true } || HasHelperLinks;

    /// <summary>criu's statistics of the checkpoint; null if there is no stats-dump.</summary>
    internal CracImageStatistics? Statistics => _statistics.Value;

    /// <summary>The processes, parents before their children; the first is the root.</summary>
    internal IReadOnlyList<CracImageProcess> Processes => _processes ??= CracImageProcess.ReadAll(this);

    /// <summary>The ids of all processes, starting with the root.</summary>
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

    /// <summary>The ids of all threads of all processes, including the process ids: these must be free for a restore.</summary>
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

    /// <summary>The container, if the image is in a checkpoint archive of a container; else null.</summary>
    internal CracContainer? Container => _container.Value;

    /// <summary>Whether the image is in an archive.</summary>
    public bool IsArchive => _source is ArchiveImageSource or EncryptedImageSource;

    /// <summary>Whether the archive is encrypted. Of such an image only the name, the path, the size and the time can be read.</summary>
    internal bool IsEncrypted => _source is EncryptedImageSource;

    /// <summary>
    /// The key that the image says it was signed with, such as "ssh-ed25519 SHA256:…"; null if it is not signed, or encrypted. Anyone can
    /// write this: it is not verified.
    /// </summary>
    public string? ClaimedSigner => _claimedSigner.Value;

    /// <summary>The name of the image in a store that this is a copy of, which is kept for later uses; null for another image.</summary>
    internal string? StoredName { get; private set; }

    internal ImageSource Source => _source;

    /// <summary>Says that it is a copy of an image in a store.</summary>
    internal void SetStored(string storedName, string name) => (StoredName, Name) = (storedName, name);

    /// <summary>Opens an image.</summary>
    /// <param name="path">
    /// The image's directory, or a checkpoint archive as Export-CracImage, Podman, CRI-O and the kubelet write it (tar, plain or compressed
    /// with gzip or, if libzstd is installed, zstd), which is read without unpacking it to disk.
    /// </param>
    /// <param name="cancellation">Cancels the reading of an archive.</param>
    /// <returns>The image; its content is read on first use.</returns>
    /// <exception cref="CracException">
    /// NotAnImage: there is no image at the path. ImageIncomplete: the checkpoint did not finish or
    /// files are missing. ImageCorrupt: a file is damaged. PermissionDenied: the image may not be read.
    /// </exception>
    public static CracImage Open(string path, CancellationToken cancellation = default)
    {
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        using (FolderHandle? folder = FolderHandle.TryOpen(full, out Errno errno))
        {
            if (folder is not null)
            {
                return Open(new DirectoryImageSource(full));
            }

            if (errno == Errno.EACCES)
            {
                throw ImageFault.Unreadable(full, Inventory, errno);
            }
        }

        if (EncryptedImageSource.IsEncrypted(full))
        {
            return new CracImage(new EncryptedImageSource(full), manifest: null);
        }

        return File.Exists(full) ? Open(new ArchiveImageSource(full, cancellation)) : throw ImageFault.NotAnImage(full, "the path does not exist");
    }

    /// <summary>Whether a directory looks like an image: it contains inventory.img or a manifest. Does not read the files.</summary>
    /// <param name="path">A path, which need not exist.</param>
    public static bool IsImageDirectory(string path)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(path, out _);
        return folder is not null && IsImageDirectory(folder);
    }

    /// <summary>The same for an open directory.</summary>
    internal static bool IsImageDirectory(FolderHandle folder) => folder.ContainsFile(Inventory) || folder.ContainsFile(ImageManifest.FileName);

    /// <summary>
    /// Whether the files that a restore needs exist: those of every process and, with a manifest, all files that
    /// it lists, with the listed sizes. Checks names and sizes only; Test-CracImage -Full reads the content.
    /// </summary>
    /// <param name="missing">The first file that is missing or has another size; null if there is none.</param>
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
            missing ??= process.FindMissingFile(lengths);
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

    /// <summary>Counts memory that is taken by entries of a file and kept; throws ImageCorrupt if the image takes too much.</summary>
    internal void Keep(long bytes, string file)
    {
        if (Interlocked.Add(ref _kept, bytes) > MaximumKept)
        {
            Interlocked.Add(ref _kept, -bytes);
            ImageFault.TooLarge(Path, file, $"with {file}, the entries of the image take more than the {MaximumKept >> 20} MiB of memory that are allowed");
        }
    }

    // Damage of inventory.img is reported by what needs it, and by Test-CracImage.
    private static ImageInventory? TryReadInventory(ImageSource source)
    {
        try
        {
            return ImageInventory.Read(source);
        }
        catch (CracException)
        {
            return null;
        }
    }

    private static string? ReadSigner(ImageSource source)
    {
        using ImageFile? file = source.TryOpen(ImageManifest.SignatureFileName);
        if (file is null || file.Length > SshSignature.MaximumSize)
        {
            return null;
        }

        byte[] text = new byte[file.Length];
        file.ReadExactlyAt(0, text);
        return SshSignature.TryParse(text, out SshSignature? signature, out _) ? signature.Signer : null;
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
        if (IsCompressed)
        {
            foreach (ImageFileInfo file in _source.Files)
            {
                sum += PageMap.IsName(file.Name) ? PageMap.Read(_source, file.Name)?.PresentBytes ?? 0 : 0;
            }

            return sum;
        }

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
