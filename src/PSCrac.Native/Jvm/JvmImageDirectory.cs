using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>
/// The directory that a JVM writes its image to. Its path is fixed by the option that the JVM was started with, is the
/// JVM's own (working directory, mount namespace) and may hold patterns. criu writes over what is there, so an image of
/// before is moved aside first, and back when the checkpoint fails.
/// </summary>
internal sealed class JvmImageDirectory : IDisposable
{
    /// <summary>criu's log, under the name that every CRaC engine gives it.</summary>
    internal const string LogName = "dump4.log";

    /// <summary>Where the older engines write the path that the image had when it was made.</summary>
    internal const string OriginalPathName = "cppath";

    private readonly SafeFileHandle _parent;
    private readonly string _name;
    private readonly bool _isPattern;
    private readonly HashSet<string> _siblings = new(StringComparer.Ordinal);
    private bool _existed;
    private ImageSetAside? _aside;

    private JvmImageDirectory(SafeFileHandle parent, string name, bool isPattern, string original, string? lasting)
    {
        _parent = parent;
        _name = name;
        _isPattern = isPattern;
        OriginalPath = original;
        LastingParent = lasting;
        if (isPattern)
        {
            _siblings.UnionWith(Names());
        }

    }

    /// <summary>The path as the JVM has it; for patterns, with them.</summary>
    internal string OriginalPath { get; }

    // The folder above, by a path that means the same here when the JVM is gone; null where it lies in another mount namespace.
    private string? LastingParent { get; }

    /// <summary>Finds the directory and moves what is in the way aside.</summary>
    /// <param name="jvm">The JVM.</param>
    /// <param name="checkpointTo">What its option says.</param>
    /// <param name="force">Whether an image that is there may be replaced.</param>
    /// <exception cref="CracException"><see cref="CracReason.ImageExists"/>, <see cref="CracReason.FileMissing"/>, <see cref="CracReason.ResourceUnsupported"/>.</exception>
    internal static JvmImageDirectory Prepare(JvmProcess jvm, string checkpointTo, bool force)
    {
        using ProcessDirectory process = ProcessDirectory.TryOpen(jvm.ProcessId) ?? throw ProcessTree.NotFound(jvm.ProcessId);
        if (checkpointTo.Contains("://", StringComparison.Ordinal))
        {
            throw Unsupported(jvm, checkpointTo, "is no directory");
        }

        // Relative to the working directory; a deleted one leads nowhere.
        string original = Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpointTo, process.ReadLink("cwd") ?? "/"));
        string? parentPath = Path.GetDirectoryName(original);
        string name = Expand(Path.GetFileName(original), jvm, out bool isPattern);
        if (parentPath is null || parentPath.Contains('%', StringComparison.Ordinal))
        {
            throw Unsupported(jvm, checkpointTo, "has a pattern above its last part, so its place is not known beforehand");
        }

        bool sameMounts = process.ReadLink("root") == "/"
            && ProcessDirectory.TryOpen(Environment.ProcessId) is { } own && SharesMounts(process, own);
        SafeFileHandle parent = LibC.Open($"/proc/{jvm.ProcessId}/root{parentPath}", LibC.O_RDONLY | LibC.O_DIRECTORY, out Errno errno);
        if (errno != 0)
        {
            parent.Dispose();
            throw new CracException(
                CracReason.FileMissing, $"The JVM {jvm.ProcessId} checkpoints to {original}, and the folder above cannot be opened: {LibC.Message(errno)}.",
                "Make that folder; the JVM makes only the last part of the path.");
        }

        var directory = new JvmImageDirectory(parent, name, isPattern, original, sameMounts ? parentPath : null);
        try
        {
            directory.MoveAside(jvm, force);
            return directory;
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    /// <summary>Whether a path here is this very directory.</summary>
    internal bool Is(string path) =>
        LastingParent is not null && !_isPattern && Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)) == Path.Combine(LastingParent, _name);

    /// <summary>The directory by a path that is good for as long as this object is; null where the JVM has not made it yet.</summary>
    internal string? Locate()
    {
        if (!_isPattern)
        {
            string path = PathOf(_name);
            return Directory.Exists(path) ? path : null;
        }

        // A name made of the time or at random: the one that appeared and has criu's log in it.
        string? found = Names().FirstOrDefault(name => !_siblings.Contains(name) && File.Exists(Path.Combine(PathOf(name), LogName)));
        return found is null ? null : PathOf(found);
    }

    /// <summary>The directory by a path that stays good, for messages: the JVM's own one where it cannot be reached from here.</summary>
    internal string Describe() =>
        LastingParent is null ? OriginalPath : Path.Combine(LastingParent, Path.GetFileName(Locate() ?? _name));

    /// <summary>Removes the image of before; the checkpoint stands.</summary>
    internal void Keep()
    {
        if (_aside is not null)
        {
            Directory.Delete(PathOf(ImageSetAside.NameOf(_name)), recursive: true);
            LetGo();
        }
    }

    /// <summary>Removes what a failed checkpoint has left, and puts the image of before back.</summary>
    internal void PutBack()
    {
        try
        {
            if ((!_existed || _aside is not null) && Locate() is { } failed)
            {
                Directory.Delete(failed, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The JVM may still be writing, or another user have written: what failed is more worth telling than this.
            return;
        }

        if (_aside is not null && _aside.PutBack())
        {
            LetGo();
        }
    }

    /// <summary>
    /// Puts the image of before back beside what a JVM has left that has ended: that stays, under another name where the
    /// image of before needs its own.
    /// </summary>
    internal void KeepRemains()
    {
        if (_aside is not null && LibC.Rename(_parent, _name, RemainsOf(_name), LibC.RENAME_NOREPLACE) is 0 or Errno.ENOENT && _aside.PutBack())
        {
            LetGo();
        }
    }

    /// <summary>Writes cppath, as an engine does that is a program of its own, where that engine was ended before it could.</summary>
    /// <param name="path">The image's directory.</param>
    internal void WriteOriginalPath(string path)
    {
        string original = LastingParent is null
            ? OriginalPath
            : Path.Combine(new FileInfo(PathOf(".")[..^2]).LinkTarget ?? LastingParent, Path.GetFileName(path));
        File.WriteAllText(Path.Combine(path, OriginalPathName), original);
    }

    /// <summary>Removes the image's files after they have been given another place, and the directory where it was made for them.</summary>
    internal void Empty(IEnumerable<string> names)
    {
        if (Locate() is not { } path)
        {
            return;
        }

        foreach (string name in names)
        {
            File.Delete(Path.Combine(path, name));
        }

        if (!_existed && !Directory.EnumerateFileSystemEntries(path).Any())
        {
            Directory.Delete(path);
        }
    }

    public void Dispose()
    {
        LetGo();
        _parent.Dispose();
    }

    private static string RemainsOf(string name) => string.Create(CultureInfo.InvariantCulture, $"{name}.incomplete-{DateTime.UtcNow:yyyyMMddHHmmssfff}");

    private void LetGo()
    {
        _aside?.Dispose();
        _aside = null;
    }

    private void MoveAside(JvmProcess jvm, bool force)
    {
        string path = PathOf(_name);
        if (!_isPattern && !ImageSetAside.Settle(_parent, PathOf("."), _name))
        {
            string left = Path.Combine(Path.GetDirectoryName(OriginalPath)!, ImageSetAside.NameOf(_name));
            throw new CracException(
                CracReason.ImageExists, $"The JVM {jvm.ProcessId} checkpoints to {OriginalPath}, and the image that was there is at {left} while another session replaces it.",
                "Wait until that checkpoint has ended; or, where there is none, move the image back or remove it.")
            {
                ImagePath = OriginalPath,
            };
        }

        _existed = !_isPattern && Directory.Exists(path);
        if (!_existed || !Directory.EnumerateFileSystemEntries(path).Any())
        {
            return;
        }

        bool isImage = CracImage.IsImageDirectory(path);
        if (isImage && !force)
        {
            throw new CracException(
                CracReason.ImageExists, $"The JVM {jvm.ProcessId} checkpoints to {OriginalPath}, where there is an image already.",
                "Replace it with -Force, or move it away.")
            { ImagePath = OriginalPath };
        }

        bool isLeftover = File.Exists(Path.Combine(path, LogName));
        if (!isImage && !isLeftover)
        {
            return;
        }

        _aside = ImageSetAside.TryMove(_parent, _name, out Errno errno);
        if (errno != 0)
        {
            // A mount point, such as a container's volume, cannot be renamed.
            throw new CracException(
                CracReason.ImageExists, $"The JVM {jvm.ProcessId} checkpoints to {OriginalPath}, and the image there cannot be moved aside: {LibC.Message(errno)}.",
                "Empty the directory, and try again.")
            { ImagePath = OriginalPath };
        }
    }

    private IEnumerable<string> Names() => Directory.EnumerateDirectories(PathOf(".")).Select(static path => Path.GetFileName(path)!);

    // Through the descriptor: the JVM's mount namespace can end with the JVM, and what is open in it stays.
    private string PathOf(string name) => $"/proc/self/fd/{_parent.DangerousGetHandle()}/{name}";

    // %p is the pid, %% a percent sign (openjdk/crac: crac::interpolate_checkpoint_location). A name with any other pattern
    // is left as it is.
    private static string Expand(string name, JvmProcess jvm, out bool isPattern)
    {
        const char Percent = '\0';
        string expanded = name.Replace("%%", Percent.ToString(), StringComparison.Ordinal)
            .Replace("%p", jvm.InnerProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
        isPattern = expanded.Contains('%', StringComparison.Ordinal);
        return isPattern ? name : expanded.Replace(Percent, '%');
    }

    private static bool SharesMounts(ProcessDirectory process, ProcessDirectory own)
    {
        using (own)
        {
            return ProcessNamespaces.TryRead(process) is { } theirs && ProcessNamespaces.TryRead(own) is { } ours && theirs.Shares(NamespaceKind.Mount, ours);
        }
    }

    private static CracException Unsupported(JvmProcess jvm, string checkpointTo, string why) => new(
        CracReason.ResourceUnsupported, $"The JVM {jvm.ProcessId} checkpoints to {checkpointTo}, which {why}.",
        "Start it with a plain directory in -XX:CRaCCheckpointTo, or use -Engine Criu.");
}
