using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Jvm;

/// <summary>What is in the folder above before the JVM writes to it, and which directory is new then.</summary>
internal sealed partial class JvmImageDirectory
{
    // An image that a killed session has moved aside comes back first.
    private void Settle(JvmProcess jvm)
    {
        foreach (string name in _pattern.IsOpen ? ImageSetAside.FindTargets(_parent, _pattern.Matches) : [_pattern.Name])
        {
            if (!ImageSetAside.Settle(_parent, name, _users))
            {
                string folder = Path.GetDirectoryName(OriginalPath)!;
                throw new CracException(
                    CracReason.ImageExists,
                    $"The JVM {jvm.ProcessId} checkpoints to {OriginalPath}, and the image that was at {Path.Combine(folder, name)} is at {Path.Combine(folder, ImageSetAside.NameOf(name))} while another session replaces it.",
                    "Wait until that checkpoint has ended; or, where there is none, move the image back or remove it.")
                {
                    ImagePath = Path.Combine(folder, name),
                };
            }
        }
    }

    private void MoveAside(JvmProcess jvm, bool force)
    {
        foreach (string name in FindMatching())
        {
            _before[name] = ReadTime(name);
        }

        if (_pattern.IsAlwaysNew)
        {
            return;
        }

        foreach (string name in _before.Keys.ToArray())
        {
            using FolderHandle? directory = TryOpen(name);
            string shown = Path.Combine(Path.GetDirectoryName(OriginalPath)!, name);
            bool isImage = directory is not null && CracImage.IsImageDirectory(directory);
            if (isImage && !force)
            {
                throw new CracException(
                    CracReason.ImageExists,
                    $"The JVM {jvm.ProcessId} checkpoints to {OriginalPath}, {(_pattern.IsOpen ? $"which may be {shown}, and" : "and")} there is an image already.",
                    "Replace it with -Force, or move it away.")
                { ImagePath = shown };
            }

            if (!isImage && directory?.ContainsFile(LogName) != true)
            {
                continue;
            }

            if (ImageSetAside.TryMove(_parent, name, out Errno errno) is not { } aside)
            {
                // A mount point, such as a container's volume, cannot be renamed.
                throw new CracException(
                    CracReason.ImageExists, $"The JVM {jvm.ProcessId} checkpoints to {OriginalPath}, and the image in {shown} cannot be moved aside: {LibC.Message(errno)}.",
                    "Empty the directory, and try again.")
                { ImagePath = shown };
            }

            _aside[name] = aside;
            _before.Remove(name);
        }
    }

    // The images that the checkpoint did not write over. One whose name is taken stays aside, for the next checkpoint to settle.
    private void PutBackAll()
    {
        foreach ((string name, ImageSetAside aside) in _aside.ToArray())
        {
            if (aside.PutBack())
            {
                _aside.Remove(name);
                aside.Dispose();
            }
        }
    }

    // Of directories that appeared, or that were written to: the one whose files are of this JVM. As long as no file tells, the
    // only one, if there is but one.
    private string? FindNew()
    {
        var open = new List<string>();
        foreach (string name in FindMatching())
        {
            if (_before.TryGetValue(name, out DateTime time) && ReadTime(name) == time)
            {
                continue;
            }

            using FolderHandle? directory = TryOpen(name);
            switch (directory is null ? false : _owner.Wrote(directory))
            {
                case true:
                    return _located = name;
                case null:
                    open.Add(name);
                    break;
            }
        }

        return open.Count == 1 && IsNamedInLog(open[0]) ? open[0] : null;
    }

    // A directory that was there before is the user's. With a pattern, another JVM's may look like this one's: in another pid
    // namespace it can have the same pid.
    private bool IsMadeForThis(string name) => !_before.ContainsKey(name) && (!_pattern.IsOpen || (_owner.HasPidOfHost && IsNamedInLog(name)));

    private bool IsNamedInLog(string name)
    {
        using FolderHandle? directory = TryOpen(name);
        return directory is not null && _owner.IsNamedInLog(directory);
    }

    private List<string> FindMatching() =>
        _pattern.IsOpen
            ? [.. (_parent.ReadNames() ?? [])
                .Where(name => !name.StartsWith(ImageName.StagingPrefix, StringComparison.Ordinal) && _pattern.Matches(name) && IsDirectory(name))]
            : IsDirectory(_pattern.Name) ? [_pattern.Name] : [];

    private bool IsDirectory(string name)
    {
        using FolderHandle? directory = TryOpen(name);
        return directory is not null;
    }

    private DateTime ReadTime(string name)
    {
        using FolderHandle? directory = TryOpen(name);
        if (directory is null)
        {
            return default;
        }

        var source = new DirectoryImageSource(directory);
        DateTime log = source.LastWrite(LogName).UtcDateTime;
        DateTime inventory = source.LastWrite("inventory.img").UtcDateTime;
        return log > inventory ? log : inventory;
    }
}
