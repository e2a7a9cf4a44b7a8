using PSCrac.Images.Operations;
using PSCrac.Interop;

namespace PSCrac.Jvm;

/// <summary>What is in the folder above before the JVM writes to it, and which directory is new then.</summary>
internal sealed partial class JvmImageDirectory
{
    // An image that a killed session has moved aside comes back first.
    private void Settle(JvmProcess jvm)
    {
        foreach (string name in _pattern.IsOpen ? ImageSetAside.FindTargets(PathOf("."), _pattern.Matches) : [_pattern.Name])
        {
            if (!ImageSetAside.Settle(_parent, PathOf("."), name, _users))
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
            _before[name] = ReadTime(PathOf(name));
        }

        if (_pattern.IsAlwaysNew)
        {
            return;
        }

        foreach (string name in _before.Keys.ToArray())
        {
            string path = PathOf(name), shown = Path.Combine(Path.GetDirectoryName(OriginalPath)!, name);
            bool isImage = CracImage.IsImageDirectory(path);
            if (isImage && !force)
            {
                throw new CracException(
                    CracReason.ImageExists,
                    $"The JVM {jvm.ProcessId} checkpoints to {OriginalPath}, {(_pattern.IsOpen ? $"which may be {shown}, and" : "and")} there is an image already.",
                    "Replace it with -Force, or move it away.")
                { ImagePath = shown };
            }

            if (!isImage && !File.Exists(Path.Combine(path, LogName)))
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
            string path = PathOf(name);
            if (_before.TryGetValue(name, out DateTime time) && ReadTime(path) == time)
            {
                continue;
            }

            switch (_owner.Wrote(path))
            {
                case true:
                    return _located = name;
                case null:
                    open.Add(name);
                    break;
            }
        }

        return open.Count == 1 && _owner.IsNamedInLog(PathOf(open[0])) ? open[0] : null;
    }

    // A directory that was there before is the user's. With a pattern, another JVM's may look like this one's: in another pid
    // namespace it can have the same pid.
    private bool IsMadeForThis(string path) =>
        !_before.ContainsKey(Path.GetFileName(path)) && (!_pattern.IsOpen || (_owner.HasPidOfHost && _owner.IsNamedInLog(path)));

    private List<string> FindMatching() =>
        _pattern.IsOpen
            ? [.. Directory.EnumerateDirectories(PathOf(".")).Select(static path => Path.GetFileName(path)!)
                .Where(name => !name.StartsWith(ImageName.StagingPrefix, StringComparison.Ordinal) && _pattern.Matches(name))]
            : Directory.Exists(PathOf(_pattern.Name)) ? [_pattern.Name] : [];

    private static DateTime ReadTime(string path)
    {
        DateTime log = File.GetLastWriteTimeUtc(Path.Combine(path, LogName));
        DateTime inventory = File.GetLastWriteTimeUtc(Path.Combine(path, "inventory.img"));
        return log > inventory ? log : inventory;
    }
}
