using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>What an image says of its own format, in inventory.img.</summary>
/// <param name="Version">The version of the format.</param>
/// <param name="Compression">How pages may be compressed: 0 not, 1 with LZ4.</param>
/// <param name="BlockSize">The most bytes of memory in a compressed block; 0 without compression.</param>
internal readonly record struct ImageInventory(uint Version, uint Compression, uint BlockSize)
{
    /// <summary>The file.</summary>
    internal const string FileName = "inventory.img";

    /// <summary>The newest version that PSCrac can read: that of criu 4.3.</summary>
    internal const uint NewestVersion = 3;

    /// <summary>The version of images that criu before 4.3 can restore.</summary>
    internal const uint VersionWithoutCompression = 2;

    private const uint NewestCompression = 1;

    /// <summary>Whether pages may be compressed.</summary>
    internal bool IsCompressed => Compression != 0;

    /// <summary>Reads it; null if the image has no inventory.img.</summary>
    internal static ImageInventory? Read(ImageSource source)
    {
        using ImageEntryReader? entries = source.TryOpenEntries(FileName, ImageType.Inventory);
        if (entries is null)
        {
            return null;
        }

        entries.MoveToFirst();
        ProtobufReader entry = entries.Reader;
        uint version = 0;
        uint compression = 0;
        uint blockSize = 0;
        while (entry.MoveNext())
        {
            switch (entry.Field)
            {
                case Wire.InventoryEntry.ImgVersion:
                    version = entry.ReadUInt32();
                    break;
                case Wire.InventoryEntry.Compress:
                    compression = entry.ReadUInt32();
                    break;
                case Wire.InventoryEntry.CompressBlockSize:
                    blockSize = entry.ReadUInt32();
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        entry.RequireFields(Wire.InventoryEntry.Required);
        return new ImageInventory(version, compression, blockSize);
    }

    /// <summary>Refuses an image of a later criu, whose files may mean something else than PSCrac would read from them.</summary>
    internal void RequireKnown(string imagePath)
    {
        if (Version > NewestVersion)
        {
            ImageFault.TooNew(imagePath, FileName, $"The image {imagePath} has format version {Version}, and this version of PSCrac knows versions up to {NewestVersion}, which is that of criu 4.3.");
        }

        if (Compression > NewestCompression)
        {
            ImageFault.TooNew(imagePath, FileName, $"The memory in the image {imagePath} is compressed in way {Compression}, and this version of PSCrac knows only way {NewestCompression}, LZ4.");
        }
    }
}
