using System.Text;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Model;

/// <summary>The criu log in an image, if there is one.</summary>
internal static class DumpLog
{
    private static ReadOnlySpan<byte> VersionMark => ") Version: "u8;

    /// <summary>The version of criu that wrote the image's log, such as "4.2.1"; null if no log has it.</summary>
    internal static string? FindVersion(ImageSource source) => FindVersion(source, "dump.log") ?? FindVersion(source, "dump4.log");

    private static string? FindVersion(ImageSource source, string name)
    {
        using ImageFile? file = source.TryOpen(name);
        if (file is null)
        {
            return null;
        }

        // The version is near the beginning; the log of a large tree has megabytes.
        Span<byte> head = stackalloc byte[1024];
        head = head[..Math.Max(0, file.ReadAt(0, head))];
        int mark = head.IndexOf(VersionMark);
        if (mark < 0)
        {
            return null;
        }

        ReadOnlySpan<byte> rest = head[(mark + VersionMark.Length)..];
        int end = rest.IndexOfAny((byte)' ', (byte)'\n');
        return end > 0 ? Encoding.UTF8.GetString(rest[..end]) : null;
    }
}
