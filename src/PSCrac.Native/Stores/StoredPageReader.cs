using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Stores;

/// <summary>
/// Reads groups of pages of an image in a store, any of them alone: each is checked against its hash, and decoded with its base's group
/// where the image is a delta. Several threads may read, each with <see cref="Buffers"/> of its own.
/// </summary>
internal sealed class StoredPageReader : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly string _where;
    private readonly StoredPageReader? _base;
    private readonly Dictionary<(string MapName, ulong Address), StoredGroup> _groups = [];

    private StoredPageReader(PageIndex index, SafeFileHandle file, StoredPageReader? full, string where)
    {
        Index = index;
        _file = file;
        _base = full;
        _where = where;
    }

    /// <summary>The index.</summary>
    internal PageIndex Index { get; }

    /// <summary>Opens the pages of an image.</summary>
    /// <param name="store">The store.</param>
    /// <param name="manifest">The image's manifest; not of an encrypted image.</param>
    /// <param name="where">The image's name, for messages.</param>
    /// <exception cref="CracException"><see cref="CracReason.ImageIncomplete"/>, <see cref="CracReason.ImageCorrupt"/>.</exception>
    internal static StoredPageReader Open(StoreLayout store, ArtifactManifest manifest, string where)
    {
        if (!manifest.IsDelta)
        {
            return OpenFull(store, manifest, where);
        }

        StoredPageReader full = OpenFull(store, manifest, where);
        try
        {
            PageIndex index = ReadIndex(store, manifest.Own, mayRefer: true, where);
            return new StoredPageReader(index, store.OpenBlob(manifest.Own.Pages, where), full, where);
        }
        catch
        {
            full.Dispose();
            throw;
        }
    }

    /// <summary>Opens the pages of the full image that an image is or builds on, to find groups by their addresses.</summary>
    internal static StoredPageReader OpenFull(StoreLayout store, ArtifactManifest manifest, string where)
    {
        PageIndex index = ReadIndex(store, manifest.Full, mayRefer: false, where);
        var reader = new StoredPageReader(index, store.OpenBlob(manifest.Full.Pages, where), null, where);
        foreach (StoredPages file in index.Files)
        {
            string key = KeyOf(file.Name, file.MapName);
            foreach (StoredGroup group in file.Groups)
            {
                reader._groups.TryAdd((key, group.Address), group);
            }
        }

        return reader;
    }

    /// <summary>Finds the group that has the same pages of the same process; null if there is none.</summary>
    /// <param name="name">The name of the pages file, which counts where there is no pagemap.</param>
    /// <param name="mapName">The name of the pagemap.</param>
    /// <param name="address">The first address of the MiB.</param>
    internal StoredGroup? Find(string name, string mapName, ulong address) => _groups.TryGetValue((KeyOf(name, mapName), address), out StoredGroup group) ? group : null;

    /// <summary>
    /// The name of the pagemap under which this image has the same memory as another. That of a process has the same one; that of shared
    /// memory may have been given another by the kernel since, and is the one with the most addresses in common.
    /// </summary>
    /// <param name="mapName">The name in the other image.</param>
    /// <param name="groups">The groups there.</param>
    internal string FindMap(string mapName, IReadOnlyList<PageGroup> groups)
    {
        const string Shared = "pagemap-shmem-";
        if (!mapName.StartsWith(Shared, StringComparison.Ordinal) || Index.Files.Any(file => file.MapName == mapName))
        {
            return mapName;
        }

        return Index.Files.Where(static file => file.MapName.StartsWith(Shared, StringComparison.Ordinal))
            .MaxBy(file => groups.Count(group => _groups.ContainsKey((file.MapName, group.Address))))?.MapName ?? mapName;
    }

    /// <summary>Reads a group.</summary>
    /// <param name="file">The pages file that it is of.</param>
    /// <param name="group">The group.</param>
    /// <param name="buffers">The caller's buffers.</param>
    /// <param name="pages">Where the pages are put: at least the group's length.</param>
    /// <exception cref="CracException"><see cref="CracReason.ImageIncomplete"/>, <see cref="CracReason.ImageCorrupt"/>.</exception>
    internal void Read(StoredPages file, in StoredGroup group, Buffers buffers, Span<byte> pages)
    {
        Span<byte> prefix = default;
        if (_base?.Find(file.Name, file.MapName, group.Address) is { } before)
        {
            bool isSame = group.StoredLength == 0;
            Require(!isSame || before.Length == group.Length, group, "its base's group has another size");
            prefix = isSame ? pages[..group.Length] : buffers.Prefix.AsSpan(0, before.Length);
            _base.Read(file, before, buffers, prefix);
            if (isSame)
            {
                return;
            }
        }

        Require(group.StoredLength > 0, group, "its base has no such group");
        Span<byte> frame = buffers.Frame.AsSpan(0, group.StoredLength);
        Require(ReadFrame(group.Offset, frame), group, "it is cut short");
        Span<byte> digest = stackalloc byte[PageIndex.DigestSize];
        SHA256.HashData(frame, digest);
        Require(digest.SequenceEqual(Index.DigestOf(group)), group, "it has another hash");
        string? fault = buffers.Frames.Decompress(frame, prefix, pages[..group.Length]);
        Require(fault is null, group, fault);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _base?.Dispose();
        _file.Dispose();
    }

    // Pages without a pagemap are known by their file.
    private static string KeyOf(string name, string mapName) => mapName.Length > 0 ? mapName : name;

    private static PageIndex ReadIndex(StoreLayout store, (Descriptor Index, Descriptor Pages) layers, bool mayRefer, string where) =>
        PageIndex.Parse(store.ReadBlob(layers.Index, PageIndex.MaximumSize, where), layers.Pages.Size, mayRefer, where);

    private bool ReadFrame(long offset, Span<byte> frame)
    {
        while (!frame.IsEmpty)
        {
            int read = RandomAccess.Read(_file, frame, offset);
            if (read == 0)
            {
                return false;
            }

            offset += read;
            frame = frame[read..];
        }

        return true;
    }

    private void Require(bool isTrue, in StoredGroup group, string? fault)
    {
        if (!isTrue)
        {
            throw new CracException(CracReason.ImageCorrupt, $"The pages of {_where} at 0x{group.Address:x} are damaged: {fault}.", "Get the image again from its source, or export it again with Export-CracImage.");
        }
    }

    /// <summary>What one thread needs to read.</summary>
    internal sealed class Buffers : IDisposable
    {
        private byte[]? _prefix;

        /// <summary>The codec.</summary>
        internal PageFrames Frames { get; } = new();

        /// <summary>A frame.</summary>
        internal byte[] Frame { get; } = new byte[PageFrames.MaximumSize];

        /// <summary>The pages of a base's group.</summary>
        internal byte[] Prefix => _prefix ??= new byte[PageIndex.GroupSize];

        /// <inheritdoc/>
        public void Dispose() => Frames.Dispose();
    }
}
