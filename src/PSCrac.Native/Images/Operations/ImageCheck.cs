using System.Buffers;
using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Memory;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Operations;

/// <summary>
/// Checks a whole image: every file's magic, framing and messages; the references between files; that pagemaps
/// match their pages files; that the files match the manifest.
/// </summary>
internal sealed class ImageCheck
{
    private readonly CracImage _image;
    private readonly CancellationToken _cancellation;
    private readonly Dictionary<string, long> _files = new(StringComparer.Ordinal);

    private ImageCheck(CracImage image, CancellationToken cancellation)
    {
        _image = image;
        _cancellation = cancellation;
        foreach (ImageFileInfo file in image.Source.Files)
        {
            _files[file.Name] = file.Length;
        }
    }

    /// <summary>Checks an image. Reads all files except the pages files, of which it decodes what is compressed.</summary>
    /// <param name="image">The image.</param>
    /// <param name="cancellation">Cancels the check.</param>
    /// <returns>The findings, as they are found; empty for an intact image.</returns>
    internal static IEnumerable<CracImageFinding> Run(CracImage image, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        var check = new ImageCheck(image, cancellation);

        // References to a damaged file cannot be checked. Each file has at most one finding; sizes are checked first.
        bool canCheckReferences = true;
        var reported = new HashSet<string>(StringComparer.Ordinal);
        foreach (CracImageFinding finding in check.CheckSizes())
        {
            reported.Add(finding.FileName!);
            canCheckReferences &= ImageFileName.IsPages(finding.FileName!) || !check._files.ContainsKey(finding.FileName!);
            yield return finding;
        }

        foreach (CracImageFinding finding in check.CheckFiles(reported))
        {
            reported.Add(finding.FileName ?? string.Empty);
            canCheckReferences = false;
            yield return finding;
        }

        foreach (CracImageFinding finding in check.CheckHashes(reported))
        {
            yield return finding;
        }

        foreach (CracImageFinding finding in canCheckReferences ? check.CheckReferences() : [])
        {
            if (finding.FileName is null || !reported.Contains(finding.FileName))
            {
                yield return finding;
            }
        }
    }

    private static CracImageFinding From(CracException e) => new(e.Reason, e.FileName, e.FileOffset, e.ProcessId, e.Message) { Kind = ImageFindingKind.Unreadable };

    private static CracImageFinding Missing(string file, int? processId, string why) =>
        new(CracReason.ImageIncomplete, file, null, processId, $"The image has no {file}: {why}.") { Kind = ImageFindingKind.MissingFile };

    private IEnumerable<CracImageFinding> CheckFiles(HashSet<string> reported)
    {
        var reader = new ImageContentReader(_image, payloadLimit: 0, _cancellation);
        foreach (string name in _files.Keys)
        {
            if (!ImageType.IsImageFile(name) || reported.Contains(name))
            {
                continue;
            }

            CracImageFinding? finding = null;
            try
            {
                foreach (CracImageEntry entry in reader.ReadFile(name))
                {
                    if (entry.FileType == ImageContentReader.UnknownType)
                    {
                        finding = new(CracReason.ImageCorrupt, name, 0, null, $"{name} has a magic that criu 4.3 does not know: {entry.GetText("magic")}.") { Kind = ImageFindingKind.Unreadable };
                    }
                }
            }
            catch (CracException e)
            {
                finding = From(e);
            }

            if (finding is not null)
            {
                yield return finding;
            }
        }
    }

    private IEnumerable<CracImageFinding> CheckSizes()
    {
        foreach (ImageManifestFile file in _image.Manifest?.Files ?? [])
        {
            if (!_files.TryGetValue(file.Name, out long length))
            {
                yield return Missing(file.Name, null, "the manifest lists it");
            }
            else if (length != file.Size)
            {
                yield return new(CracReason.ImageIncomplete, file.Name, length, null, $"{file.Name} has {length} bytes, but had {file.Size} when the checkpoint was taken.") { Kind = ImageFindingKind.OtherSize };
            }
        }
    }

    private IEnumerable<CracImageFinding> CheckHashes(HashSet<string> reported)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(64 << 10);
        try
        {
            foreach (ImageManifestFile file in _image.Manifest?.Files ?? [])
            {
                if (file.Sha256 is not null && !reported.Contains(file.Name) && CheckHash(file, ref buffer) is { } finding)
                {
                    yield return finding;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private CracImageFinding? CheckHash(ImageManifestFile file, ref byte[] buffer)
    {
        try
        {
            using ImageFile opened = _image.Source.Open(file.Name, _cancellation);
            return ImageManifest.Hash(opened, ref buffer) == file.Sha256
                ? null
                : new(CracReason.ImageCorrupt, file.Name, null, null, $"{file.Name} was changed after the checkpoint: its SHA-256 differs.") { Kind = ImageFindingKind.OtherContent };
        }
        catch (CracException e)
        {
            return From(e);
        }
    }

    private IEnumerable<CracImageFinding> CheckReferences()
    {
        var pids = new HashSet<int>();
        var tids = new HashSet<int>();
        foreach (CracImageProcess process in _image.Processes)
        {
            _cancellation.ThrowIfCancellationRequested();
            if (!pids.Add(process.ProcessId))
            {
                yield return new(CracReason.ImageCorrupt, "pstree.img", null, process.ProcessId, $"Process {process.ProcessId} is in the tree twice.") { Entry = $"process {process.ProcessId}" };
            }

            if (process.ParentProcessId != 0 && !pids.Contains(process.ParentProcessId))
            {
                yield return new(CracReason.ImageCorrupt, "pstree.img", null, process.ProcessId, $"The parent of process {process.ProcessId}, {process.ParentProcessId}, is not in the tree before it.") { Entry = $"process {process.ProcessId}" };
            }

            foreach (int tid in process.ThreadIds)
            {
                if (!tids.Add(tid))
                {
                    yield return new(CracReason.ImageCorrupt, "pstree.img", null, process.ProcessId, $"Thread {tid} belongs to two processes.") { Entry = $"thread {tid}" };
                }
            }

            foreach (CracImageFinding finding in CheckProcess(process))
            {
                yield return finding;
            }
        }

        foreach (CracImageFinding finding in CheckOpenFiles())
        {
            yield return finding;
        }

        foreach (CracImageFinding finding in CheckPagemaps())
        {
            yield return finding;
        }
    }

    private IEnumerable<CracImageFinding> CheckProcess(CracImageProcess process)
    {
        if (process.FindMissingFile(_files) is { } missing)
        {
            yield return Missing(missing, process.ProcessId, $"process {process.ProcessId} needs it");
            yield break;
        }

        foreach (CracImageFile file in process.Files)
        {
            if (file.Details is null)
            {
                string what = file.Descriptor is { } number ? $"descriptor {number}" : $"{file.Role}";
                yield return new(CracReason.ImageCorrupt, "files.img", null, process.ProcessId, $"files.img has no entry for file {file.Id}, the {what} of process {process.ProcessId}.") { Entry = $"{what} of process {process.ProcessId}" };
            }
        }

        const AreaStatus MapsFile = AreaStatus.FilePrivate | AreaStatus.FileShared;
        foreach (CracImageMemoryArea area in process.MemoryAreas)
        {
            if ((area.Area.Status & MapsFile) != 0 && _image.OpenFiles.Find((uint)area.Area.ShmId) is null)
            {
                yield return new(CracReason.ImageCorrupt, "files.img", null, process.ProcessId, $"files.img has no entry for file {area.Area.ShmId}, which process {process.ProcessId} maps at 0x{area.Start:x}.") { Entry = $"mapping 0x{area.Start:x} of process {process.ProcessId}" };
            }
        }
    }

    private IEnumerable<CracImageFinding> CheckOpenFiles()
    {
        foreach (CracImageRecord remap in _image.Source.ReadRecords("remap-fpath.img", ImageType.RemapFpath))
        {
            string ghost = $"ghost-file-{remap.GetNumber("remap_id"):x}.img";
            if (remap.GetText("remap_type") == "GHOST" && !_files.ContainsKey(ghost))
            {
                yield return Missing(ghost, null, $"it has the content of the unlinked file {remap.GetNumber("orig_id")}");
            }
        }

        foreach (CracImageRecord file in _image.OpenFiles.All)
        {
            if (file.GetRecord("isk") is { } socket && socket.GetNumber("proto") == 6 && socket.GetNumber("state") == (ulong)CracSocketState.Established)
            {
                string stream = $"tcp-stream-{socket.GetNumber("ino"):x}.img";
                if (!_files.ContainsKey(stream) && !ClosesConnections())
                {
                    yield return Missing(stream, null, $"the connection from {OpenFileTable.FormatAddress(socket, "src")} to {OpenFileTable.FormatAddress(socket, "dst")} needs it");
                }
            }
        }
    }

    private IEnumerable<CracImageFinding> CheckPagemaps()
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        foreach ((string name, _) in _files)
        {
            if (!PageMap.IsName(name) || PageMap.Read(_image.Source, name, _cancellation) is not { } map)
            {
                continue;
            }

            used.Add(map.PagesFile);
            if (IsLeftOver(name))
            {
                continue;
            }

            long length = _files.GetValueOrDefault(map.PagesFile, -1);
            if (length < 0 && map.PresentPages > 0)
            {
                yield return Missing(map.PagesFile, null, $"it has the pages of {name}");
            }
            else if (length >= 0 && length != map.StoredBytes)
            {
                yield return new(
                    length < map.StoredBytes ? CracReason.ImageIncomplete : CracReason.ImageCorrupt, map.PagesFile, Math.Min(length, map.StoredBytes), null,
                    $"{map.PagesFile} has {length} bytes, but {name} requires {map.StoredBytes}.")
                { Kind = ImageFindingKind.OtherSize };
            }
            else if (CheckBlocks(name, map) is { } damaged)
            {
                yield return damaged;
            }

            if (_image.Source.Parent is null && NeedsParent(map))
            {
                yield return new(CracReason.ImageIncomplete, name, null, null, $"{name} refers to pages in a parent image, but the image has no link to a parent.");
            }
        }

        foreach (string name in _files.Keys)
        {
            if (ImageFileName.IsPages(name) && !used.Contains(name))
            {
                yield return new(CracReason.ImageIncomplete, name, null, null, $"No pagemap refers to {name}.");
            }
        }
    }

    private CracImageFinding? CheckBlocks(string name, PageMap map)
    {
        if (map.HasBlocks && !_image.IsCompressed)
        {
            return new(CracReason.ImageCorrupt, name, null, null, $"{name} lists compressed pages, but {ImageInventory.FileName} says that none are compressed.");
        }

        try
        {
            map.RequireSoundPages(_cancellation);
            return null;
        }
        catch (CracException e)
        {
            return From(e);
        }
    }

    // Podman checkpoints a container repeatedly into the same folder and leaves the files of processes that have since ended.
    private bool IsLeftOver(string pagemap) =>
        int.TryParse(pagemap.AsSpan("pagemap-".Length, pagemap.Length - "pagemap-.img".Length), out int processId) && _image.FindProcess(processId) is null;

    /// <summary>Whether the checkpoint was taken with criu's option tcp-close, which drops connections.</summary>
    private bool ClosesConnections()
    {
        foreach (CracImageRecord inventory in _image.Source.ReadRecords("inventory.img", ImageType.Inventory))
        {
            return inventory.GetFlag("tcp_close");
        }

        return false;
    }

    private static bool NeedsParent(PageMap map)
    {
        foreach (PageRun run in map.Runs)
        {
            if (run.IsInParent && !run.IsPresent)
            {
                return true;
            }
        }

        return false;
    }
}
