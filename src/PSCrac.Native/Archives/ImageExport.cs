using System.Buffers;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Archives;

/// <summary>
/// Writes an image to an archive: the manifest and its signature, criu's small files by name, and the pages, in one folder. The same
/// image gives the same tar file.
/// </summary>
internal static class ImageExport
{
    /// <summary>The folder in the archive, as Podman has it.</summary>
    internal const string Folder = "checkpoint";

    private const int BufferSize = 1 << 20;
    private const int WritebackSize = 32 << 20;

    /// <summary>Writes the archive.</summary>
    /// <param name="request">The image and the archive.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    /// <returns>The names of files in the image's folder that are not the image's, and not in the archive.</returns>
    /// <exception cref="CracException">The image cannot be exported, or the archive not be written. Nothing is left of it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal static IReadOnlyList<string> Run(ExportRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        try
        {
            RequireExportable(request.Image);
            ImageSource source = request.Image.Source.Parent is null ? request.Image.Source : new FlatImageSource(request.Image);
            List<ImageFileInfo> files = SelectFiles(source, out List<string> others);
            using PrivateOutput target = PrivateOutput.Create(request.DestinationPath, request.Force);
            Write(request, source, files, target.File, target.WriteFailed, progress, cancellation);
            cancellation.ThrowIfCancellationRequested();
            target.Commit();
            return others;
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Export, processId: null, request.Image.Path);
            throw;
        }
    }

    /// <summary>The name that an image's archive has in a folder.</summary>
    internal static string FileNameFor(CracImage image, CracArchiveCompression compression, bool isEncrypted) =>
        image.Name + ArchiveFormat.TarSuffix
        + (compression == CracArchiveCompression.Zstd ? ArchiveFormat.ZstandardSuffix : "")
        + (isEncrypted ? ArchiveFormat.AgeSuffix : "");

    /// <summary>Refuses an image that would be of no use elsewhere.</summary>
    /// <exception cref="CracException">It is an archive, damaged, or can be restored only once.</exception>
    internal static void RequireExportable(CracImage image)
    {
        if (image.Source is not DirectoryImageSource)
        {
            throw new CracException(CracReason.OptionRefused, $"{image.Path} is an archive already.", "Copy the file with Copy-Item, or import it first: Import-CracImage.");
        }

        if (image.IsOneShot)
        {
            throw new CracException(
                CracReason.ResourceUnsupported,
                $"The image {image.Path} can be restored only once, and only here: files that are open in it and have no name any more got helper links in folders outside of the image, which an archive does not contain.",
                "Restore it here. Take the checkpoint again when the program has closed these files.");
        }

        string? missing = null;
        (string File, string What)? damage = image.Manifest is { } manifest
            ? ManifestDamage.Find(manifest, ImageManifest.Describe(image.Path), static name => !name.EndsWith(".img", StringComparison.Ordinal)) is { } found ? (found.FileName, found.What) : null
            : image.IsRestorable(out missing) ? null : (missing, "is missing or cut short");
        if (damage is var (file, what))
        {
            throw new CracException(
                CracReason.ImageIncomplete,
                $"The image {image.Path} is damaged: its file {file} {what}.",
                "Copy the image again with all of its files, or make a new one with Invoke-CracCheckpoint.")
            {
                FileName = file,
            };
        }
    }

    /// <summary>
    /// The files of an image in the order in which a reader wants them. What a restore writes into the folder is left out, or the archive
    /// would be another one after it.
    /// </summary>
    /// <param name="source">The image's files.</param>
    /// <param name="others">The names of those that are not the image's.</param>
    internal static List<ImageFileInfo> SelectFiles(ImageSource source, out List<string> others)
    {
        var selected = new List<ImageFileInfo>();
        others = [];
        foreach (ImageFileInfo file in source.Files)
        {
            if (file.Name == "stats-restore" || (file.Name.StartsWith("restore", StringComparison.Ordinal) && file.Name.EndsWith(".log", StringComparison.Ordinal)))
            {
                continue;
            }

            if (ImageRemoval.IsOfImage(file.Name))
            {
                selected.Add(file);
            }
            else
            {
                others.Add(file.Name);
            }
        }

        return [.. selected.OrderBy(static file => Rank(file.Name)).ThenBy(static file => file.Name, StringComparer.Ordinal)];
    }

    // A reader knows the manifest and its signature before it takes anything else.
    private static int Rank(string name) => name switch
    {
        ImageManifest.FileName => 0,
        ImageManifest.SignatureFileName => 1,
        _ when ImageFileName.IsPages(name) => 3,
        _ => 2,
    };

    /// <summary>Writes files of an image as an archive.</summary>
    /// <param name="request">The image, and how the archive is compressed and encrypted.</param>
    /// <param name="source">The image's files.</param>
    /// <param name="files">The files to write, in their order.</param>
    /// <param name="target">The file that is written to.</param>
    /// <param name="explain">The exception for a write that failed.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Ends it.</param>
    internal static void Write(
        ExportRequest request,
        ImageSource source,
        List<ImageFileInfo> files,
        SafeFileHandle target,
        Func<IOException, CracException> explain,
        IProgress<CracProgress>? progress,
        CancellationToken cancellation)
    {
        using AgeProgram? age = request.Recipients is { } recipients ? AgeProgram.Encrypt(recipients, target, cancellation) : null;
        try
        {
            // Another descriptor, at the same position.
            using FileStream? file = age is null ? new FileStream(LibC.Duplicate(target, 0, out _), FileAccess.Write, bufferSize: 0) : null;
            Stream output = age?.Stream ?? file!;
            using (ZstandardWriter? compressed = request.Compression == CracArchiveCompression.Zstd ? new ZstandardWriter(output, request.CompressionLevel) : null)
            {
                DateTimeOffset time = request.Image.Manifest?.Created ?? source.LastWrite("inventory.img");
                WriteTar(new TarWriter(compressed ?? output, time), compressed ?? output, source, files, target, progress, cancellation);
                compressed?.Complete();
            }

            age?.Complete();
        }
        catch (IOException e)
        {
            cancellation.ThrowIfCancellationRequested();
            throw age?.Failure(e) ?? explain(e);
        }
    }

    private static void WriteTar(
        TarWriter tar, Stream content, ImageSource source, List<ImageFileInfo> files, SafeFileHandle target, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        long expected = files.Sum(static file => file.Length);
        long written = 0;
        long begun = 0;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        tar.WriteFolder(Folder);
        foreach (ImageFileInfo info in files)
        {
            using ImageFile file = source.Open(info.Name, cancellation);
            tar.BeginFile($"{Folder}/{info.Name}", info.Length);
            for (long position = 0; position < info.Length;)
            {
                int part = (int)Math.Min(buffer.Length, info.Length - position);
                file.ReadExactlyAt(position, buffer.AsSpan(0, part));
                content.Write(buffer, 0, part);
                position += part;
                written += part;
                if (written - begun >= WritebackSize)
                {
                    // The disk writes meanwhile, so that the sync finds little to do.
                    LibC.BeginWriteback(target, 0, RandomAccess.GetLength(target));
                    begun = written;
                }

                progress?.Report(new CracProgress(CracPhase.Packing, written, expected));
            }

            tar.EndFile(info.Length);
        }

        tar.WriteEnd();
        ArrayPool<byte>.Shared.Return(buffer);
    }
}
