using PSCrac.Images.Storage;

namespace PSCrac.Tests.Images;

/// <summary>An image in memory, with one of its files replaced.</summary>
internal sealed class MemoryImageSource(Dictionary<string, byte[]> files, string replaced, byte[] bytes) : ImageSource("/memory")
{
    internal override IReadOnlyList<ImageFileInfo> Files { get; } =
        [.. files.Select(f => new ImageFileInfo(f.Key, f.Key == replaced ? bytes.Length : f.Value.Length)).OrderBy(f => f.Name, StringComparer.Ordinal)];

    internal override ImageSource? Parent => null;

    internal override bool Contains(string name) => files.ContainsKey(name);

    internal override DateTimeOffset LastWrite(string name) => default;

    internal override ImageFile? TryOpen(string name) =>
        name == replaced ? new MemoryImageFile(Path, name, bytes) : files.TryGetValue(name, out byte[]? own) ? new MemoryImageFile(Path, name, own) : null;
}
