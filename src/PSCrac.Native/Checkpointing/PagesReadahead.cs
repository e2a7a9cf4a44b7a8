using Microsoft.Win32.SafeHandles;
using PSCrac.Images;
using PSCrac.Interop;

namespace PSCrac.Checkpointing;

/// <summary>
/// Has the kernel read an image's dumped memory from the disk while criu still starts and reads the rest. Where the pages are
/// in the page cache already, as right after a checkpoint, there is nothing to do; after a reboot it is most of a restore.
/// </summary>
internal sealed class PagesReadahead : IDisposable
{
    // Bytes. More would push other files out of the page cache, and criu, which reads them in order, catches up anyway.
    private const long Most = 512L << 20;

    private readonly Task _reading;

    private PagesReadahead(SafeFileHandle directory, List<ImageFileInfo> files) => _reading = Task.Run(() => Read(directory, files));

    /// <summary>Begins, and does not wait.</summary>
    /// <param name="directory">The image's folder, open.</param>
    /// <param name="image">The image.</param>
    internal static PagesReadahead Begin(SafeFileHandle directory, CracImage image)
    {
        var files = new List<ImageFileInfo>();
        foreach (ImageFileInfo file in image.Source.Files)
        {
            if (ImageManifest.IsPages(file.Name))
            {
                files.Add(file);
            }
        }

        return new PagesReadahead(directory, files);
    }

    /// <summary>Waits until the kernel has been told.</summary>
    public void Dispose() => Task.WaitAny(_reading);

    private static void Read(SafeFileHandle directory, List<ImageFileInfo> files)
    {
        long left = Most;
        foreach (ImageFileInfo info in files)
        {
            using SafeFileHandle file = LibC.OpenAt(directory, info.Name, LibC.O_RDONLY | LibC.O_NOFOLLOW | LibC.O_NONBLOCK, out int errno);
            if (errno == 0)
            {
                LibC.WillNeed(file, Math.Min(info.Length, left));
            }

            left -= info.Length;
            if (left <= 0)
            {
                return;
            }
        }
    }
}
