using PSCrac.Images.Model;
using PSCrac.Options;

namespace PSCrac.Restoring;

/// <summary>
/// Works out how a restore's wishes about files change the image's tables. criu can also be handed open descriptors in
/// the place of files, but by path: all of a tree's /dev/null would become the one file meant for its output. An edit is
/// exact, and leaves the opening to criu, in the mount namespace that the tree will see.
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
    private readonly RestoreFiles _wishes;
    private readonly FileEdits _edits = new();
    private readonly List<string> _warnings = [];
    private uint _lastId;

    private FileEditPlan(CracImage image, RestoreFiles wishes)
    {
        _image = image;
        _wishes = wishes;
        _lastId = image.OpenFiles.All.Aggregate(0u, static (highest, file) => Math.Max(highest, (uint)file.GetNumber("id")));
    }

    /// <summary>Makes the plan, and the files that output goes to where they are not there yet.</summary>
    /// <param name="image">The image.</param>
    /// <param name="wishes">What the caller wants.</param>
    /// <param name="hasTerminal">Whether there is a terminal to give the tree.</param>
    /// <param name="warnings">What the caller should be told.</param>
    /// <exception cref="CracException">A file is not there, or the image has none such.</exception>
    internal static FileEdits Make(CracImage image, RestoreFiles wishes, bool hasTerminal, out IReadOnlyList<string> warnings)
    {
        var plan = new FileEditPlan(image, wishes);
        plan.RedirectStreams();
        plan.ReplaceMoved();
        plan.ReopenGrown();
        plan.ReplaceTerminals(hasTerminal);
        warnings = plan._warnings;
        return plan._edits;
    }

    private void RedirectStreams()
    {
        string?[] paths = [_wishes.StandardInputPath, _wishes.StandardOutputPath, _wishes.StandardErrorPath];
        uint? outputId = null;
        for (int number = 0; number < paths.Length; number++)
        {
            if (paths[number] is not { } path)
            {
                continue;
            }

            // The same path for both outputs is the same open file, as 2>&1 has it.
            bool isShared = number == 2 && outputId is not null && path == _wishes.StandardOutputPath;
            uint id = isShared ? outputId!.Value : Add(path, number);
            outputId = number == 1 ? id : outputId;
            Move(number, id);
        }
    }

    private uint Add(string path, int number)
    {
        bool isInput = number == 0;
        if (isInput)
        {
            RequireThere(path, StreamNames[number]);
        }
        else
        {
            Touch(path, StreamNames[number]);
        }

        _edits.Added[++_lastId] = new OpenRegularFile(path, O_LARGEFILE | O_NOCTTY | (isInput ? 0 : O_WRONLY | O_APPEND), null);
        return _lastId;
    }

    // The tree's standard stream is what its root has under that number, and every process that inherited it from there.
    private void Move(int number, uint id)
    {
        CracImageFile? stream = _image.Processes[0].Files.FirstOrDefault(file => file.Descriptor == number);
        if (stream is null)
        {
            throw new CracException(CracReason.OptionRefused, $"The process had no {StreamNames[number]} open at the checkpoint, so it cannot be given another.", "Leave out the parameter for it.");
        }

        _edits.Moved[((uint)stream.Id, number)] = id;
    }

    private void ReplaceMoved()
    {
        foreach ((string old, string path) in _wishes.Replace)
        {
            RequireThere(path, old);
            bool any = false;
            foreach (CracImageRecord file in _image.OpenFiles.All)
            {
                uint id = (uint)file.GetNumber("id");
                if (file.GetRecord("reg") is not { } own || own.GetText("name") != old)
                {
                    continue;
                }

                if (_image.OpenFiles.IsUnlinked(id))
                {
                    throw new CracException(CracReason.OptionRefused, $"{old} was unlinked before the checkpoint; the image itself keeps its content.", "Leave it out of -ReplaceFile.");
                }

                any = true;
                _edits.Changed[id] = new OpenRegularFile(path, (uint)own.GetNumber("flags"), own.GetNumber("pos"));
            }

            if (!any)
            {
                throw new CracException(CracReason.OptionRefused, $"No process of the image has {old} open or mapped.", "Get-CracImage's Files property lists what they have; give paths as they are there.");
            }
        }
    }

    private void ReopenGrown()
    {
        if (!_wishes.ReopenGrown)
        {
            return;
        }

        // A program or library that has grown is another one, and what is mapped of it would not fit.
        HashSet<string> mapped = [.. _image.MemoryAreas.Select(static area => area.Path), .. _image.Processes.Select(static process => process.Executable ?? string.Empty)];
        foreach (CracImageFile file in _image.Files)
        {
            if (file is not { Role: CracFileRole.Descriptor, Kind: CracFileKind.Regular, IsDeleted: false, Size: { } size, Details: { } details }
                || mapped.Contains(file.Path) || _edits.Changed.ContainsKey((uint)file.Id))
            {
                continue;
            }

            CracImageRecord own = details.GetRecord("reg")!;
            var now = new FileInfo(file.Path);
            if (now.Exists && now.Length > size)
            {
                uint flags = (uint)own.GetNumber("flags");
                _edits.Changed[(uint)file.Id] = (flags & O_ACCMODE) == 0
                    ? new OpenRegularFile(file.Path, flags, own.GetNumber("pos"))
                    : new OpenRegularFile(file.Path, flags | O_APPEND, (ulong)now.Length);
            }
        }
    }

    private void ReplaceTerminals(bool hasTerminal)
    {
        var outside = new HashSet<uint>(ExternalTerminals.Find(_image));
        if (outside.Count == 0)
        {
            return;
        }

        var left = new SortedSet<int>();
        var used = new HashSet<uint>();
        foreach (CracImageFile file in _image.Files)
        {
            uint id = (uint)file.Id;
            if (file.Descriptor is { } number && outside.Contains(id) && !_edits.Moved.ContainsKey((id, number)))
            {
                left.Add(number);
                used.Add(id);
            }
        }

        foreach (uint id in outside)
        {
            // criu has no use for a terminal that no descriptor leads to any more, and would look for one in vain.
            if (!hasTerminal || !used.Contains(id))
            {
                uint flags = (uint)_image.OpenFiles.Find(id)!.GetRecord("tty")!.GetNumber("flags");
                _edits.Changed[id] = new OpenRegularFile("/dev/null", flags | O_NOCTTY, null);
            }
        }

        if (!hasTerminal && left.Count > 0)
        {
            _warnings.Add(
                $"The process had a terminal, and there is none here: its descriptor{(left.Count == 1 ? string.Empty : "s")} {string.Join(", ", left)} now lead{(left.Count == 1 ? "s" : string.Empty)} to /dev/null. -StandardOutputPath and its like give it files instead.");
        }
    }

    private static void RequireThere(string path, string what)
    {
        if (!Path.Exists(path))
        {
            throw new CracException(CracReason.FileMissing, $"The file {path}, given for {what}, is not there.", "Give the path of one that is.")
            {
                FileName = path,
            };
        }
    }

    private static void Touch(string path, string what)
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
                "Give a path in a folder that is there and may be written to.",
                e)
            {
                FileName = path,
            };
        }
    }
}
