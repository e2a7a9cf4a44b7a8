using PSCrac.Images.Memory;
using PSCrac.Images.Storage;

namespace PSCrac.CoreDumps;

/// <summary>The open pages files of an image, and how much of each can be read.</summary>
internal sealed class PagesFiles : IDisposable
{
    private const int MaximumOpen = 64;
    private readonly Dictionary<(PageStack, int), ImageFile> _open = [];
    private readonly Dictionary<(PageStack, int), long> _readable = [];

    /// <summary>Opens the pages of an image of the stack; they stay open here.</summary>
    internal ImageFile Open(PageStack stack, int level)
    {
        if (!_open.TryGetValue((stack, level), out ImageFile? file))
        {
            if (_open.Count == MaximumOpen)
            {
                Close();
            }

            file = stack.OpenPages(level);
            _open.Add((stack, level), file);
        }

        return file;
    }

    /// <summary>How many of the present bytes can be read; fewer than there should be where the file was cut off.</summary>
    internal long CountReadable(PageStack stack, int level)
    {
        if (!_readable.TryGetValue((stack, level), out long bytes))
        {
            bytes = stack.Levels[level].Map.CountReadableBytes();
            _readable.Add((stack, level), bytes);
        }

        return bytes;
    }

    public void Dispose() => Close();

    private void Close()
    {
        foreach (ImageFile file in _open.Values)
        {
            file.Dispose();
        }

        _open.Clear();
    }
}
