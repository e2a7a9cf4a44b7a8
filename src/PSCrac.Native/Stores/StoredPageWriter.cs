using System.Security.Cryptography;
using PSCrac.Common;
using PSCrac.Images.Storage;

namespace PSCrac.Stores;

/// <summary>Writes the pages of an image to a store: a frame for each group, and their index.</summary>
internal sealed class StoredPageWriter : IDisposable
{
    // More make no difference on a disk, and each takes some megabytes, at high levels many.
    private const int MaximumSlots = 4;
    private const int MaximumSlotsAtHighLevel = 2;
    private const int HighLevel = 12;
    private readonly StoredPageReader? _base;
    private readonly Slot[] _slots;
    private readonly IProgress<CracProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private long _read;

    /// <summary>Prepares for it.</summary>
    /// <param name="level">zstd's level.</param>
    /// <param name="full">The pages of the base; null for a full image.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Ends it.</param>
    internal StoredPageWriter(int level, StoredPageReader? full, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        _base = full;
        _progress = progress;
        _cancellation = cancellation;
        int count = Math.Min(level > HighLevel ? MaximumSlotsAtHighLevel : MaximumSlots, Environment.ProcessorCount);
        _slots = [.. Enumerable.Range(0, count).Select(_ => new Slot(level))];
    }

    /// <summary>Writes the pages.</summary>
    /// <param name="source">The image's files.</param>
    /// <param name="plans">The groups.</param>
    /// <param name="store">The store.</param>
    /// <returns>The layers.</returns>
    internal (Descriptor Index, Descriptor Pages) Write(ImageSource source, IReadOnlyList<PagePlan> plans, StoreLayout store)
    {
        long expected = plans.Sum(static plan => plan.Length);
        using var index = new PageIndex.Builder();
        using BlobWriter output = BlobWriter.Create(store);
        foreach (PagePlan each in plans)
        {
            PagePlan plan = _base is null ? each : each with { MapName = _base.FindMap(each.MapName, each.Groups) };
            using ImageFile file = source.Open(plan.Name, _cancellation);
            index.BeginFile(plan.Name, plan.MapName);
            for (int done = 0; done < plan.Groups.Count; done += _slots.Length)
            {
                int count = Math.Min(_slots.Length, plan.Groups.Count - done);
                for (int i = 0; i < count; i++)
                {
                    _slots[i].Take(file, plan.Groups[done + i]);
                }

                Pack(plan, count);
                for (int i = 0; i < count; i++)
                {
                    Slot slot = _slots[i];
                    output.Write(slot.Packed);
                    index.Add(slot.Group.Address, slot.Group.Length, slot.Packed.Length, slot.Digest);
                    _read += slot.Group.Length;
                }

                _progress?.Report(new CracProgress(CracPhase.Packing, _read, expected));
            }
        }

        Descriptor pages = output.Commit(ArtifactManifest.PagesType);
        return (BlobWriter.Put(store, ArtifactManifest.IndexType, index.ToBytes()), pages);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Slot slot in _slots)
        {
            slot.Dispose();
        }
    }

    private void Pack(PagePlan plan, int count)
    {
        _cancellation.ThrowIfCancellationRequested();
        if (count == 1)
        {
            _slots[0].Pack(plan, _base);
            return;
        }

        try
        {
            Parallel.For(0, count, i => _slots[i].Pack(plan, _base));
        }
        catch (AggregateException e)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }

    /// <summary>One group on its way.</summary>
    private sealed class Slot(int level) : IDisposable
    {
        private readonly byte[] _pages = new byte[PageIndex.GroupSize];
        private readonly byte[] _frame = new byte[PageFrames.MaximumSize];
        private readonly byte[] _digest = new byte[PageIndex.DigestSize];
        private readonly PageFrames _frames = new(level);
        private StoredPageReader.Buffers? _buffers;
        private int _packed;

        internal PageGroup Group { get; private set; }

        internal ReadOnlySpan<byte> Packed => _frame.AsSpan(0, _packed);

        internal ReadOnlySpan<byte> Digest => _digest;

        internal void Take(ImageFile file, PageGroup group)
        {
            Group = group;
            file.ReadExactlyAt(group.Offset, _pages.AsSpan(0, group.Length));
        }

        internal void Pack(PagePlan plan, StoredPageReader? full)
        {
            ReadOnlySpan<byte> pages = _pages.AsSpan(0, Group.Length);
            Span<byte> before = default;
            if (full?.Find(plan.Name, plan.MapName, Group.Address) is { } group)
            {
                _buffers ??= new StoredPageReader.Buffers();
                before = _buffers.Prefix.AsSpan(0, group.Length);
                full.Read(new StoredPages(plan.Name, plan.MapName, []), group, _buffers, before);
            }

            if (!before.IsEmpty && pages.SequenceEqual(before))
            {
                _packed = 0;
                Array.Clear(_digest);
                return;
            }

            _packed = _frames.Compress(pages, before, _frame);
            SHA256.HashData(_frame.AsSpan(0, _packed), _digest);
        }

        public void Dispose()
        {
            _frames.Dispose();
            _buffers?.Dispose();
        }
    }
}
