using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Paging;

/// <summary>What a page daemon is to serve. It is sent once, with the descriptors.</summary>
internal sealed class PageOrders
{
    internal const int MaximumLength = 1 << 16;

    /// <summary>What is added to the feed's name for the file that tells that all pages came in.</summary>
    internal const string CompletedSuffix = ".in";

    /// <summary>What is added to the feed's name for the file that tells that the tree was ended.</summary>
    internal const string LostSuffix = ".lost";

    private const byte Orders = (byte)'S';
    private const int HeadSize = 6;
    private const uint FileMode = 0x180; // 0600

    /// <summary>The image's descriptor that came: it has the lock of an image that is received, which nobody removes while it is served.</summary>
    internal SafeFileHandle? Locked { get; private init; }

    /// <summary>The image.</summary>
    internal required FolderHandle Images { get; init; }

    /// <summary>The socket to which criu connects.</summary>
    internal required SafeFileHandle CriuListener { get; init; }

    /// <summary>The socket to which whoever brings the pages connects; null if all are in the image.</summary>
    internal SafeFileHandle? FeedListener { get; init; }

    /// <summary>The folder of the feed's socket and of the outcome.</summary>
    internal FolderHandle? FeedFolder { get; init; }

    /// <summary>The name of the feed's socket in its folder.</summary>
    internal string FeedName { get; init; } = "";

    /// <summary>How long nothing may come before the tree is ended, in milliseconds.</summary>
    internal int SilenceMilliseconds { get; init; }

    /// <summary>Whether the image is to be whole in the end, also where the tree needs no more of it.</summary>
    internal bool KeepsImage { get; init; }

    /// <summary>Sends them.</summary>
    internal Errno Send(SafeFileHandle socket)
    {
        byte[] name = Encoding.UTF8.GetBytes(FeedName);
        byte[] message = new byte[HeadSize + name.Length];
        message[0] = Orders;
        message[1] = KeepsImage ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(2), SilenceMilliseconds);
        name.CopyTo(message, HeadSize);
        return FeedListener is null
            ? LibC.SendDescriptors(socket, message, Images.Handle, CriuListener)
            : LibC.SendDescriptors(socket, message, Images.Handle, CriuListener, FeedListener, FeedFolder!.Handle);
    }

    /// <summary>Reads them; null if they are none.</summary>
    internal static PageOrders? Read(ReadOnlySpan<byte> message, List<SafeFileHandle> descriptors)
    {
        if (message.Length < HeadSize || message[0] != Orders || descriptors.Count is not (2 or 4) || FolderHandle.TryReopen(descriptors[0], "", out _) is not { } images)
        {
            return null;
        }

        return new PageOrders
        {
            Locked = descriptors[0],
            Images = images,
            CriuListener = descriptors[1],
            FeedListener = descriptors.Count == 4 ? descriptors[2] : null,
            FeedFolder = descriptors.Count == 4 ? FolderHandle.TryReopen(descriptors[3], "", out _) : null,
            KeepsImage = message[1] != 0,
            SilenceMilliseconds = BinaryPrimitives.ReadInt32LittleEndian(message[2..]),
            FeedName = Encoding.UTF8.GetString(message[HeadSize..]),
        };
    }

    /// <summary>Writes what became of the pages, and takes the feed's socket away.</summary>
    internal void WriteOutcome(string suffix)
    {
        if (FeedFolder is { } folder)
        {
            _ = SmallFile.Write(folder, FeedName + suffix, [], FileMode, replaces: true);
            folder.Delete(FeedName);
        }
    }
}
