namespace PSCrac.CoreDumps;

/// <summary>The files that the processes of an image had mapped. Some stay open: areas of one file follow one another.</summary>
internal sealed class MappedFiles(CracImage image) : IDisposable
{
    private const int MaximumOpen = 64;
    private readonly Dictionary<uint, MappedFile> _open = [];
    private readonly Queue<uint> _order = [];

    /// <summary>The file of an area. It can be read until <see cref="MaximumOpen"/> others were asked for.</summary>
    internal MappedFile Find(uint id)
    {
        if (_open.TryGetValue(id, out MappedFile? known))
        {
            return known;
        }

        if (_open.Count == MaximumOpen && _open.Remove(_order.Dequeue(), out MappedFile? oldest))
        {
            oldest.Dispose();
        }

        MappedFile file = MappedFile.Open(image, id);
        _open.Add(id, file);
        _order.Enqueue(id);
        return file;
    }

    public void Dispose()
    {
        foreach (MappedFile file in _open.Values)
        {
            file.Dispose();
        }

        _open.Clear();
        _order.Clear();
    }
}
