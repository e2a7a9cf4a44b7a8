namespace PSCrac;

/// <summary>What Optimize-CracImageStore has removed from a store.</summary>
public sealed class CracStoreOptimization
{
    internal CracStoreOptimization(string path, int removedCount, long freedSize, int keptCount, long size)
    {
        Path = path;
        RemovedCount = removedCount;
        FreedSize = freedSize;
        KeptCount = keptCount;
        Size = size;
    }

    /// <summary>The name of the store.</summary>
    public string Path { get; }

    /// <summary>How many files that no tag needs were removed.</summary>
    public int RemovedCount { get; }

    /// <summary>How much was freed, in bytes, with what killed exports had left.</summary>
    public long FreedSize { get; }

    /// <summary>How many files tags need.</summary>
    public int KeptCount { get; }

    /// <summary>The size of those, in bytes.</summary>
    public long Size { get; }
}
