using Microsoft.Win32.SafeHandles;

namespace PSCrac.Images.Storage;

/// <summary>An image in an archive that is encrypted: nothing of it can be read here.</summary>
internal sealed class EncryptedImageSource(string path) : ImageSource(path)
{
    internal override IReadOnlyList<ImageFileInfo> Files => throw ImageFault.Encrypted(Path);

    internal override ImageSource? Parent => null;

    internal override long? ArchiveSize => new FileInfo(Path).Length;

    internal override bool Contains(string name) => throw ImageFault.Encrypted(Path);

    internal override DateTimeOffset LastWrite(string name) => File.GetLastWriteTimeUtc(Path);

    internal override ImageFile? TryOpen(string name) => throw ImageFault.Encrypted(Path);

    /// <summary>Whether a file is encrypted by age.</summary>
    internal static bool IsEncrypted(string path)
    {
        try
        {
            using SafeFileHandle file = File.OpenHandle(path);
            Span<byte> head = stackalloc byte[ArchiveFormat.HeadSize];
            return ArchiveFormat.IsEncrypted(head[..RandomAccess.Read(file, head, 0)]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
