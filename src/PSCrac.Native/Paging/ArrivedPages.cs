using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;

namespace PSCrac.Paging;

/// <summary>A pages file that the daemon serves: all of it is there, or parts of it come from elsewhere.</summary>
internal sealed class ArrivedPages : IDisposable
{
    private const int WordBits = 64;
    private readonly ImageFile? _whole;
    private readonly SafeFileHandle? _file;
    private readonly ulong[]? _arrived;
    private readonly ulong[]? _wanted;

    /// <summary>Takes over a file of which all pages are there.</summary>
    /// <param name="file">The pages one after the other.</param>
    /// <param name="layout">Its pages.</param>
    internal ArrivedPages(ImageFile file, LazyPagesFile layout)
    {
        _whole = file;
        Layout = layout;
    }

    /// <summary>Takes over a file whose pages are yet to come.</summary>
    /// <param name="file">Open for reading and writing.</param>
    /// <param name="layout">Its pages.</param>
    internal ArrivedPages(SafeFileHandle file, LazyPagesFile layout)
    {
        _file = file;
        Layout = layout;
        int words = (int)((layout.Pages + WordBits - 1) / WordBits);
        _arrived = new ulong[words];
        _wanted = new ulong[words];
        Array.Fill(_arrived, ulong.MaxValue);
        foreach (LazyRun run in layout.Runs)
        {
            Left += run.Count;
            for (long page = run.Page; page < run.Page + run.Count; page++)
            {
                _arrived[page / WordBits] &= ~(1UL << (int)(page % WordBits));
            }
        }
    }

    internal LazyPagesFile Layout { get; }

    /// <summary>How many pages are yet to come.</summary>
    internal long Left { get; private set; }

    internal bool Has(long page) => _arrived is null || (_arrived[page / WordBits] & (1UL << (int)(page % WordBits))) != 0;

    /// <summary>64 pages from a multiple of 64 on, a bit each.</summary>
    internal ulong Word(long word) => _arrived is null ? ulong.MaxValue : _arrived[word];

    /// <summary>Notes that a page is asked for.</summary>
    /// <returns>Whether it was not asked for before.</returns>
    internal bool Want(long page)
    {
        ulong bit = 1UL << (int)(page % WordBits);
        bool isNew = (_wanted![page / WordBits] & bit) == 0;
        _wanted[page / WordBits] |= bit;
        return isNew;
    }

    /// <summary>Forgets what was asked for: the connection over which it was has ended.</summary>
    internal void ForgetWants() => _wanted?.AsSpan().Clear();

    /// <summary>Whether pages that came can be of this file.</summary>
    internal bool Contains(long offset, int length)
    {
        int pageSize = Environment.SystemPageSize;
        return _arrived is not null && offset >= 0 && offset % pageSize == 0 && length % pageSize == 0 && (offset + length) / pageSize <= Layout.Pages;
    }

    /// <summary>Notes pages that came.</summary>
    /// <param name="offset">Where they are in the file.</param>
    /// <param name="bytes">The pages.</param>
    /// <param name="writes">Whether they are written to the file; they need not be where nobody lacks them any more.</param>
    /// <returns>Whether they were written.</returns>
    internal bool Arrive(long offset, ReadOnlySpan<byte> bytes, bool writes)
    {
        long first = offset / Environment.SystemPageSize;
        int count = bytes.Length / Environment.SystemPageSize;
        try
        {
            if (writes)
            {
                RandomAccess.Write(_file!, bytes, offset);
            }
        }
        catch (IOException)
        {
            return false;
        }

        for (long page = first; page < first + count; page++)
        {
            ref ulong word = ref _arrived![page / WordBits];
            ulong bit = 1UL << (int)(page % WordBits);
            if ((word & bit) == 0)
            {
                word |= bit;
                Left--;
            }
        }

        return true;
    }

    /// <summary>Reads pages that are there.</summary>
    internal bool Read(long page, Span<byte> bytes)
    {
        long offset = page * Environment.SystemPageSize;
        try
        {
            if (_whole is not null)
            {
                _whole.ReadExactlyAt(offset, bytes);
                return true;
            }

            while (bytes.Length > 0)
            {
                int count = RandomAccess.Read(_file!, bytes, offset);
                if (count == 0)
                {
                    return false;
                }

                bytes = bytes[count..];
                offset += count;
            }

            return true;
        }
        catch (Exception e) when (e is IOException or CracException)
        {
            return false;
        }
    }

    /// <summary>The lazy pages that are there already, as runs of pages.</summary>
    internal IEnumerable<(long Page, long Count)> Held()
    {
        foreach (LazyRun run in Layout.Runs)
        {
            for (long page = run.Page; page < run.Page + run.Count;)
            {
                long start = page;
                while (page < run.Page + run.Count && Has(page))
                {
                    page++;
                }

                if (page > start)
                {
                    yield return (start, page - start);
                }

                while (page < run.Page + run.Count && !Has(page))
                {
                    page++;
                }
            }
        }
    }

    public void Dispose()
    {
        _whole?.Dispose();
        _file?.Dispose();
    }
}
