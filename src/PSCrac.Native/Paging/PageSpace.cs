using System.Numerics;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Paging;

/// <summary>What became of an attempt to bring pages.</summary>
internal enum PageResult
{
    /// <summary>They are in, or are not needed any more.</summary>
    Done,

    /// <summary>The space is about to change, and says how at once: read its events first.</summary>
    Again,

    /// <summary>The content has not come yet.</summary>
    Missing,

    /// <summary>The process has ended.</summary>
    Gone,

    /// <summary>The kernel or the pages file failed.</summary>
    Failed,
}

/// <summary>The memory of one process that runs before its pages are in: its userfaultfd, and which pages it still lacks.</summary>
internal sealed class PageSpace : IDisposable
{
    private const int WordBits = 64;
    private static readonly int s_pageSize = Environment.SystemPageSize;

    private readonly ulong[] _isDone;
    private LazyRun[] _byPage;
    private LazyRun[] _byAddress;
    private long _cursor;

    private PageSpace(SafeFileHandle faults, ArrivedPages? pages, LazyRun[] byPage, LazyRun[] byAddress, ulong[] isDone, long left)
    {
        Faults = faults;
        Pages = pages;
        _byPage = byPage;
        _byAddress = byAddress;
        _isDone = isDone;
        Left = left;
    }

    internal SafeFileHandle Faults { get; }

    /// <summary>Where the content is; null if the process has no pages that come later.</summary>
    internal ArrivedPages? Pages { get; }

    /// <summary>How many pages it still lacks.</summary>
    internal long Left { get; private set; }

    /// <summary>The space of a process that criu restores.</summary>
    internal static PageSpace Create(SafeFileHandle faults, ArrivedPages? pages)
    {
        if (pages is null)
        {
            return new PageSpace(faults, null, [], [], [], 0);
        }

        LazyRun[] runs = [.. pages.Layout.Runs];
        var isDone = new ulong[(pages.Layout.Pages + WordBits - 1) / WordBits];
        Array.Fill(isDone, ulong.MaxValue);
        long left = 0;
        foreach (LazyRun run in runs)
        {
            left += run.Count;
            for (long page = run.Page; page < run.Page + run.Count; page++)
            {
                isDone[page / WordBits] &= ~Bit(page);
            }
        }

        return new PageSpace(faults, pages, runs, runs, isDone, left);
    }

    /// <summary>The space of a forked child, which lacks what its parent lacks.</summary>
    internal PageSpace Fork(SafeFileHandle faults) => new(faults, Pages, _byPage, _byAddress, [.. _isDone], Left);

    /// <summary>Brings the page at an address for which a thread waits.</summary>
    /// <param name="address">Any address of the page.</param>
    /// <param name="buffer">At least a page.</param>
    /// <param name="page">The page's index in the pages file, if it is missing there.</param>
    internal PageResult Resolve(ulong address, Span<byte> buffer, out long page)
    {
        address &= ~((ulong)s_pageSize - 1);
        page = Find(address);
        if (page < 0 || IsDone(page))
        {
            Errno errno = LibC.PutZeroPage(Faults, address, s_pageSize);
            return errno switch
            {
                Errno.None => PageResult.Done,
                Errno.EAGAIN => PageResult.Again,
                Errno.ESRCH => PageResult.Gone,
                _ => Wake(address),
            };
        }

        return Pages!.Has(page) ? Copy(page, address, 1, buffer, mayBeUnmapped: false) : PageResult.Missing;
    }

    /// <summary>Brings the next pages that are there, and that nobody has asked for yet.</summary>
    /// <param name="buffer">As many bytes are brought at most.</param>
    /// <param name="hasMore">Whether there may be more.</param>
    internal PageResult BringNext(Span<byte> buffer, out bool hasMore)
    {
        hasMore = false;
        if (Pages is null || !TryFindNext(buffer.Length / s_pageSize, out LazyRun next))
        {
            return PageResult.Done;
        }

        hasMore = true;
        return Copy(next.Page, next.Address, (int)next.Count, buffer, mayBeUnmapped: true);
    }

    /// <summary>Brings pages that have come just now, as far as it lacks them.</summary>
    /// <returns>Whether it lacks none of them any more.</returns>
    internal bool Bring(long first, ReadOnlySpan<byte> content)
    {
        for (long page = first, end = first + (content.Length / s_pageSize); page < end;)
        {
            if (IsDone(page))
            {
                page++;
                continue;
            }

            LazyRun run = _byPage[FindRun(page)];
            long count = 1;
            while (page + count < Math.Min(end, run.Page + run.Count) && !IsDone(page + count))
            {
                count++;
            }

            ReadOnlySpan<byte> part = content.Slice((int)(page - first) * s_pageSize, (int)count * s_pageSize);
            if (CopyFrom(page, run.Address + ((ulong)(page - run.Page) * (ulong)s_pageSize), part, mayBeUnmapped: true) != PageResult.Done)
            {
                return false;
            }

            page += count;
        }

        return true;
    }

    /// <summary>Looks for pages to bring from here on, which have come now.</summary>
    internal void LookFrom(long page) => _cursor = Math.Min(_cursor, page);

    /// <summary>Nothing need be brought to a range any more: its content was given back, or it is not mapped.</summary>
    internal void Drop(ulong start, ulong end)
    {
        for (int i = FindByAddress(start); i < _byAddress.Length && _byAddress[i].Address < end; i++)
        {
            LazyRun part = Part(_byAddress[i], Math.Max(start, _byAddress[i].Address), Math.Min(end, _byAddress[i].End(s_pageSize)));
            MarkDone(part.Page, part.Count);
        }

        LibC.WakeRange(Faults, start, end - start);
    }

    /// <summary>A range was moved, with what it lacks.</summary>
    internal void Move(ulong from, ulong to, ulong length)
    {
        var moved = new List<LazyRun>(_byPage.Length + 2);
        foreach (LazyRun run in _byPage)
        {
            ulong end = run.End(s_pageSize);
            ulong first = Math.Clamp(from, run.Address, end);
            ulong last = Math.Clamp(from + length, run.Address, end);
            AddOutside(Part(run, run.Address, first));
            if (last > first)
            {
                LazyRun inside = Part(run, first, last);
                moved.Add(inside with { Address = inside.Address - from + to });
            }

            AddOutside(Part(run, last, end));
        }

        // What was where it goes to is unmapped.
        void AddOutside(LazyRun part)
        {
            ulong end = part.End(s_pageSize);
            ulong first = Math.Clamp(to, part.Address, end);
            ulong last = Math.Clamp(to + length, part.Address, end);
            LazyRun covered = Part(part, first, last);
            MarkDone(covered.Page, covered.Count);
            Add(Part(part, part.Address, first));
            Add(Part(part, last, end));
        }

        void Add(LazyRun part)
        {
            if (part.Count > 0)
            {
                moved.Add(part);
            }
        }

        _byPage = [.. moved];
        _byAddress = [.. moved.OrderBy(static run => run.Address)];
        LibC.WakeRange(Faults, from, length);
    }

    /// <summary>Whether the process has ended. Nothing is changed: no program has a page at this address.</summary>
    internal bool HasEnded() => LibC.PutZeroPage(Faults, 0x10000, s_pageSize) == Errno.ESRCH;

    public void Dispose() => Faults.Dispose();

    private static LazyRun Part(LazyRun run, ulong start, ulong end) => new(
        start, run.Page + (long)((start - run.Address) / (ulong)s_pageSize), (long)((end - start) / (ulong)s_pageSize));

    private static ulong Bit(long page) => 1UL << (int)(page % WordBits);

    private bool IsDone(long page) => (_isDone[page / WordBits] & Bit(page)) != 0;

    private void MarkDone(long page, long count)
    {
        for (long end = page + count; page < end; page++)
        {
            if (!IsDone(page))
            {
                _isDone[page / WordBits] |= Bit(page);
                Left--;
            }
        }
    }

    private PageResult Wake(ulong address)
    {
        LibC.WakeRange(Faults, address, (ulong)s_pageSize);
        return PageResult.Done;
    }

    // The index in the pages file; -1 if the page is none that comes later.
    private long Find(ulong address)
    {
        int i = FindByAddress(address);
        return i < _byAddress.Length && _byAddress[i].Address <= address
            ? _byAddress[i].Page + (long)((address - _byAddress[i].Address) / (ulong)s_pageSize) : -1;
    }

    // The first run that ends after an address.
    private int FindByAddress(ulong address)
    {
        int low = 0;
        int high = _byAddress.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_byAddress[middle].End(s_pageSize) <= address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private bool TryFindNext(int maximum, out LazyRun next)
    {
        for (long word = _cursor / WordBits; word < _isDone.Length; word++)
        {
            ulong ready = ~_isDone[word] & Pages!.Word(word);
            ready &= word == _cursor / WordBits ? ulong.MaxValue << (int)(_cursor % WordBits) : ulong.MaxValue;
            if (ready != 0)
            {
                long page = (word * WordBits) + BitOperations.TrailingZeroCount(ready);
                LazyRun run = _byPage[FindRun(page)];
                long count = 1;
                while (count < maximum && page + count < run.Page + run.Count && !IsDone(page + count) && Pages.Has(page + count))
                {
                    count++;
                }

                _cursor = page;
                next = new LazyRun(run.Address + ((ulong)(page - run.Page) * (ulong)s_pageSize), page, count);
                return true;
            }
        }

        _cursor = _isDone.Length * (long)WordBits;
        next = default;
        return false;
    }

    private int FindRun(long page)
    {
        int low = 0;
        int high = _byPage.Length - 1;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_byPage[middle].Page + _byPage[middle].Count <= page)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private PageResult Copy(long page, ulong address, int count, Span<byte> buffer, bool mayBeUnmapped)
    {
        Span<byte> content = buffer[..(count * s_pageSize)];
        return Pages!.Read(page, content) ? CopyFrom(page, address, content, mayBeUnmapped) : PageResult.Failed;
    }

    private PageResult CopyFrom(long page, ulong address, ReadOnlySpan<byte> content, bool mayBeUnmapped)
    {
        int limit = content.Length;
        while (content.Length > 0)
        {
            long copied = LibC.CopyPages(Faults, address, content[..Math.Min(limit, content.Length)], out Errno errno);
            int done = (int)(copied / s_pageSize);
            if (done == 0)
            {
                switch (errno)
                {
                    case Errno.EAGAIN:
                        return PageResult.Again;
                    case Errno.ESRCH or Errno.ENOSPC:
                        return PageResult.Gone;
                    case Errno.ENOENT when content.Length > s_pageSize && limit > s_pageSize:
                        // It spans two areas, or the end of one.
                        limit = Math.Max(s_pageSize, Math.Min(limit, content.Length) / 2 / s_pageSize * s_pageSize);
                        continue;
                    case Errno.ENOENT when !mayBeUnmapped:
                        return PageResult.Again;
                    case Errno.ENOENT or Errno.EEXIST:
                        LibC.WakeRange(Faults, address, (ulong)s_pageSize);
                        done = 1;
                        break;
                    default:
                        return PageResult.Failed;
                }
            }

            MarkDone(page, done);
            page += done;
            address += (ulong)(done * s_pageSize);
            content = content[(done * s_pageSize)..];
            limit = Math.Max(limit, Math.Min(content.Length, limit * 2));
        }

        return PageResult.Done;
    }
}
