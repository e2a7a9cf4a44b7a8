using System.IO.Compression;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Moving;

/// <summary>Sends an image: small files first and compressed, the memory as it is.</summary>
internal static class MoveImageSender
{
    private const int BufferLength = 1 << 18;
    private const long MaximumCompressed = 4 << 20;

    /// <summary>Sends all files of an image.</summary>
    /// <param name="channel">Where to.</param>
    /// <param name="path">The image's folder.</param>
    /// <param name="image">The move's id and the image's name there; the files are filled in.</param>
    /// <param name="progress">Receives the number of bytes; null for no reports.</param>
    /// <param name="pages">What of the memory is sent later; null for nothing.</param>
    /// <param name="check">Called between parts; ends the sending by throwing.</param>
    /// <exception cref="CracException">The image cannot be read.</exception>
    /// <exception cref="MoveLinkException">The connection was closed.</exception>
    internal static void Send(MoveChannel channel, string path, MoveImage image, IProgress<CracProgress>? progress, MovePages? pages, Action check)
    {
        using FolderHandle folder = FolderHandle.TryOpen(path, out Errno errno) ?? throw CannotRead(path, errno);
        var files = new List<MoveImageFile>();
        var contents = new List<byte[]?>();
        foreach (string name in (folder.ReadNames() ?? []).OrderBy(static name => ImageFileName.IsPages(name)).ThenBy(static name => name, StringComparer.Ordinal))
        {
            if (!folder.TryGetStatus(name, out FileStatus status, out errno) || status.Type != FileType.Regular)
            {
                throw CannotRead($"{path}/{name}", errno);
            }

            byte[]? compressed = ImageFileName.IsPages(name) || status.SizeBytes > MaximumCompressed ? null : Compress(folder, name, path);
            files.Add(new MoveImageFile(name, status.SizeBytes, compressed?.Length ?? (status.SizeBytes - LazyBytes(pages, name)), compressed is not null));
            contents.Add(compressed);
        }

        channel.Send(MoveFrame.Image, image with { Files = files, IsLazy = pages is not null }, MoveJson.Default.MoveImage);
        long expected = files.Sum(static file => file.SentSize);
        long sent = 0;
        byte[] buffer = new byte[BufferLength];
        for (int i = 0; i < files.Count; i++)
        {
            if (contents[i] is { } content)
            {
                SendContent(channel, content);
                sent += content.Length;
                continue;
            }

            using SafeFileHandle file = folder.OpenToRead(files[i].Name, out errno);
            foreach ((long start, long end) in MoveImageLayout.FindEager(pages?.Find(files[i].Name), files[i].Size))
            {
                for (long at = start; at < end;)
                {
                    int count = errno == 0 ? RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at) : 0;
                    if (count == 0)
                    {
                        throw CannotRead($"{path}/{files[i].Name}", errno);
                    }

                    channel.Send(MoveFrame.Data, buffer.AsSpan(0, count));
                    at += count;
                    sent += count;
                    check();
                    progress?.Report(new CracProgress(CracPhase.Sending, sent, expected));
                }
            }
        }
    }

    private static long LazyBytes(MovePages? pages, string name) =>
        pages?.Find(name) is { } file ? file.Runs.Sum(static run => run.Count) * Environment.SystemPageSize : 0;

    private static void SendContent(MoveChannel channel, ReadOnlySpan<byte> content)
    {
        while (content.Length > 0)
        {
            ReadOnlySpan<byte> part = content[..Math.Min(content.Length, BufferLength)];
            channel.Send(MoveFrame.Data, part);
            content = content[part.Length..];
        }
    }

    private static byte[] Compress(FolderHandle folder, string name, string path)
    {
        using SafeFileHandle file = folder.OpenToRead(name, out Errno errno);
        byte[] content = (errno == 0 ? SmallFile.Read(file, (int)MaximumCompressed) : null) ?? throw CannotRead($"{path}/{name}", errno);
        var compressed = new MemoryStream();
        using (var stream = new ZLibStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            stream.Write(content);
        }

        return compressed.ToArray();
    }

    private static CracException CannotRead(string path, Errno errno) =>
        new(CracReason.ImageIncomplete, $"{path} cannot be read{(errno == 0 ? "" : $": {LibC.Message(errno)}")}.", "Move the process again.");
}
