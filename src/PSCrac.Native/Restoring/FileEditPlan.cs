using PSCrac.Images.Model;
using PSCrac.Options;

namespace PSCrac.Restoring;

/// <summary>
/// Computes how the files requested for a restore change the image's tables. criu can also be given open descriptors in the
/// place of files (--inherit-fd), but by path: every /dev/null of a tree would become the one file meant for its output. An edit
/// is exact, and criu opens the file itself, in the mount namespace of the tree.
/// </summary>
internal sealed class FileEditPlan
{
    private const uint O_WRONLY = 1;
    private const uint O_ACCMODE = 3;
    private const uint O_NOCTTY = 0x100;
    private const uint O_APPEND = 0x400;
    private const uint O_LARGEFILE = 0x8000;
    private static readonly string[] StreamNames = ["standard input", "standard output", "standard error"];

    private readonly CracImage _image;
    private readonly RestoreFiles _requested;
    private readonly FileEdits _edits = new();
    private readonly List<string> _warnings = [];
    private uint _lastId;

    private FileEditPlan(CracImage image, RestoreFiles requested)
    {
        _image = image;
        _requested = requested;
        _lastId = image.OpenFiles.All.Aggregate(0u, static (highest, file) => Math.Max(highest, (uint)file.GetNumber("id")));
    }

    /// <summary>Computes the edits, and creates missing output files.</summary>
    /// <param name="image">The image.</param>
    /// <param name="requested">The files that the caller replaces.</param>
    /// <param name="hasTerminal">Whether the caller has a terminal to pass on.</param>
    /// <param name="warnings">Sentences for the user.</param>
    /// <exception cref="CracException">A file does not exist, or the image does not have the file that is to be replaced.</exception>
    internal static FileEdits Create(CracImage image, RestoreFiles requested, bool hasTerminal, out IReadOnlyList<string> warnings)
    {
        var plan = new FileEditPlan(image, requested);
        plan.RedirectStreams();
        plan.ReplaceMoved();
        plan.ReopenGrown();
        plan.ReplaceTerminals(hasTerminal);
        plan.MoveRemovedFolders();
        warnings = plan._warnings;
        return plan._edits;
    }

    private void RedirectStreams()
    {
        string?[] paths = [_requested.StandardInputPath, _requested.StandardOutputPath, _requested.StandardErrorPath];
        uint? outputId = null;
        for (int number = 0; number < paths.Length; number++)
        {
            if (paths[number] is not { } path)
            {
                continue;
            }

            // The same path for both outputs means one open file, as with 2>&1.
            bool isShared = number == 2 && outputId is not null && path == _requested.StandardOutputPath;
            uint id = isShared ? outputId!.Value : AddFile(path, number);
            outputId = number == 1 ? id : outputId;
            MoveDescriptor(number, id);
        }
    }

    private uint AddFile(string path, int number)
    {
        bool isInput = number == 0;
        if (isInput)
        {
            RequireExists(path, StreamNames[number]);
        }
        else
        {
            CreateIfMissing(path, StreamNames[number]);
        }

        _edits.Added[++_lastId] = new OpenRegularFile(path, O_LARGEFILE | O_NOCTTY | (isInput ? 0 : O_WRONLY | O_APPEND), null);
        return _lastId;
    }

    // A standard stream of the tree is the file that its root has at that descriptor, in every process that inherited it.
    private void MoveDescriptor(int number, uint id)
    {
        CracImageFile? stream = _image.Processes[0].Files.FirstOrDefault(file => file.Descriptor == number);
        if (stream is null)
        {
            throw new CracException(CracReason.OptionRefused, $"The process had no {StreamNames[number]} open at the checkpoint, so it cannot be replaced.", "Leave out the parameter for it.");
        }

        _edits.Moved[((uint)stream.Id, number)] = id;
    }

    private void ReplaceMoved()
    {
        foreach ((string old, string path) in _requested.Replace)
        {
            RequireExists(path, old);
            bool any = false;
            foreach (CracImageRecord file in _image.OpenFiles.All)
            {
                uint id = (uint)file.GetNumber("id");
                if (file.GetRecord("reg") is not { } properties || properties.GetText("name") != old)
                {
                    continue;
                }

                if (_image.OpenFiles.IsUnlinked(id))
                {
                    throw new CracException(CracReason.OptionRefused, $"{old} was unlinked before the checkpoint; the image itself holds its content.", "Leave it out of -ReplaceFile.");
                }

                any = true;
                _edits.Changed[id] = new OpenRegularFile(path, (uint)properties.GetNumber("flags"), properties.GetNumber("pos"));
            }

            if (!any)
            {
                throw new CracException(CracReason.OptionRefused, $"No process of the image has {old} open or mapped.", "Give a path from the Files property of Get-CracImage, which lists the open files of all processes.");
            }
        }
    }

    private void ReopenGrown()
    {
        if (!_requested.ReopenGrown)
        {
            return;
        }

        // A program or library that has grown was replaced, and its mappings would not fit.
        HashSet<string> mapped = [.. _image.MemoryAreas.Select(static area => area.Path), .. _image.Processes.Select(static process => process.Executable ?? string.Empty)];
        foreach (CracImageFile file in _image.Files)
        {
            if (file is not { Role: CracFileRole.Descriptor, Kind: CracFileKind.Regular, IsDeleted: false, Size: { } size, Details: { } details }
                || mapped.Contains(file.Path) || _edits.Changed.ContainsKey((uint)file.Id))
            {
                continue;
            }

            CracImageRecord properties = details.GetRecord("reg")!;
            var now = new FileInfo(file.Path);
            if (now.Exists && now.Length > size)
            {
                uint flags = (uint)properties.GetNumber("flags");
                _edits.Changed[(uint)file.Id] = (flags & O_ACCMODE) == 0
                    ? new OpenRegularFile(file.Path, flags, properties.GetNumber("pos"))
                    : new OpenRegularFile(file.Path, flags | O_APPEND, (ulong)now.Length);
            }
        }
    }

    private void ReplaceTerminals(bool hasTerminal)
    {
        var external = new HashSet<uint>(ExternalTerminals.Find(_image));
        if (external.Count == 0)
        {
            return;
        }

        var left = new SortedSet<int>();
        var used = new HashSet<uint>();
        foreach (CracImageFile file in _image.Files)
        {
            uint id = (uint)file.Id;
            if (file.Descriptor is { } number && external.Contains(id) && !_edits.Moved.ContainsKey((id, number)))
            {
                left.Add(number);
                used.Add(id);
            }
        }

        foreach (uint id in external)
        {
            // criu would fail to find a terminal, although no descriptor refers to it any more.
            if (!hasTerminal || !used.Contains(id))
            {
                uint flags = (uint)_image.OpenFiles.Find(id)!.GetRecord("tty")!.GetNumber("flags");
                _edits.Changed[id] = new OpenRegularFile("/dev/null", flags | O_NOCTTY, null);
            }
        }

        if (!hasTerminal && left.Count > 0)
        {
            _warnings.Add(
                $"The process had a terminal, and this session has none: its descriptor{(left.Count == 1 ? string.Empty : "s")} {string.Join(", ", left)} now refer{(left.Count == 1 ? "s" : string.Empty)} to /dev/null. Use -StandardOutputPath and -StandardErrorPath to give it files instead.");
        }
    }

    private void MoveRemovedFolders()
    {
        foreach ((uint id, string path) in RemovedFolders.FindPresent(_image))
        {
            CracImageRecord properties = _image.OpenFiles.Find(id)!.GetRecord("reg")!;
            _edits.Changed[id] = new OpenRegularFile(path, (uint)properties.GetNumber("flags"), properties.GetNumber("pos"));
        }
    }

    private static void RequireExists(string path, string what)
    {
        if (!Path.Exists(path))
        {
            throw new CracException(CracReason.FileMissing, $"The file {path}, given for {what}, does not exist.", "Give the path of an existing file.")
            {
                FileName = path,
            };
        }
    }

    private static void CreateIfMissing(string path, string what)
    {
        try
        {
            new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete).Dispose();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CracException(
                e is UnauthorizedAccessException ? CracReason.PermissionDenied : CracReason.FileMissing,
                $"The file {path}, given for {what}, cannot be written: {e.Message}",
                "Give a path in an existing folder that you may write to.",
                e)
            {
                FileName = path,
            };
        }
    }
}
