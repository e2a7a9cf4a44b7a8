using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>
/// The directory that a JVM writes its image to. Its path is fixed by the option that the JVM was started with, is the
/// JVM's own (working directory, mount namespace) and may have patterns. criu overwrites what is there, so an image of
/// before is moved aside first, and back when the checkpoint fails.
/// </summary>
internal sealed partial class JvmImageDirectory : IDisposable
{
    /// <summary>criu's log, under the name that every CRaC engine gives it.</summary>
    internal const string LogName = "dump4.log";

    /// <summary>Where the older engines write the path that the image had when it was made.</summary>
    internal const string OriginalPathName = "cppath";

    private readonly SafeFileHandle _root;
    private readonly FolderHandle _parent;
    private readonly int[] _users;
    private readonly JvmImagePattern _pattern;
    private readonly JvmImageOwner _owner;
    private readonly Dictionary<string, DateTime> _before = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ImageSetAside> _aside = new(StringComparer.Ordinal);
    private string? _located;

    private JvmImageDirectory(SafeFileHandle root, FolderHandle parent, int[] users, JvmImagePattern pattern, JvmImageOwner owner, string original, string? lasting)
    {
        _root = root;
        _parent = parent;
        _users = users;
        _pattern = pattern;
        _owner = owner;
        OriginalPath = original;
        LastingParent = lasting;
    }

    /// <summary>The path as the JVM has it; with the patterns whose value is not known beforehand.</summary>
    internal string OriginalPath { get; }

    // The folder above, by a path that means the same here when the JVM is gone; null where it is in another mount namespace.
    private string? LastingParent { get; }

    /// <summary>Finds the directory and moves what is in the way aside.</summary>
    /// <param name="jvm">The JVM.</param>
    /// <param name="checkpointTo">The value of its option.</param>
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
        string written = Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpointTo, process.ReadLink("cwd") ?? "/"));
        JvmImagePattern pattern = JvmImagePattern.Parse(Path.GetFileName(written), jvm.InnerProcessId);
        JvmImagePattern? above = Path.GetDirectoryName(written) is { } folder ? JvmImagePattern.Parse(folder, jvm.InnerProcessId) : null;
        if (above is null or { IsOpen: true })
        {
            throw Unsupported(jvm, checkpointTo, "has a pattern above its last part, so its place is not known beforehand");
        }

        string original = Path.Combine(above.Name, pattern.Name);
        bool sameMounts = process.ReadLink("root") == "/"
            && ProcessDirectory.TryOpen(Environment.ProcessId) is { } own && SharesMounts(process, own);

        // A link leads to a folder below the JVM's own root, as for the JVM itself.
        SafeFileHandle root = LibC.Open($"/proc/{jvm.ProcessId}/root", LibC.O_PATH | LibC.O_DIRECTORY, out Errno errno);
        using PathWalk? walk = errno == 0 ? PathWalk.Along(above.Name, root) : null;
        FolderHandle? parent = walk is null ? null : FolderHandle.TryOpen(walk, out errno);
        if (parent is null)
        {
            root.Dispose();
            throw new CracException(
                CracReason.FileMissing, $"The JVM {jvm.ProcessId} checkpoints to {original}, and the folder above cannot be opened: {LibC.Message(errno)}.",
                "Make that folder; the JVM makes only the last part of the path.");
        }

        // What the JVM has written belongs to its user.
        int[] users = [.. TrustedUsers.Read(), ProcessStatus.TryRead(jvm.ProcessId)?.EffectiveUserId ?? 0];
        var directory = new JvmImageDirectory(root, parent, users, pattern, JvmImageOwner.Of(jvm, process), original, sameMounts ? above.Name : null);
        try
        {
            directory.Settle(jvm);
            directory.MoveAside(jvm, force);
            return directory;
        }
        catch
        {
            directory.PutBackAll();
            directory.Dispose();
            throw;
        }
    }

    /// <summary>Whether a path here is this very directory; with a pattern, false as long as the directory is not located.</summary>
    internal bool Is(string path) =>
        LastingParent is not null && (_pattern.IsOpen ? _located : _pattern.Name) is { } name
        && Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)) == Path.Combine(LastingParent, name);

    /// <summary>Opens the directory; null where the JVM has not made it yet, or where which of several it is cannot be told yet.</summary>
    internal FolderHandle? TryOpen() => Locate() is { } name ? TryOpen(name) : null;

    /// <summary>The directory by a path that stays valid, for messages: the JVM's own one where it cannot be reached from here.</summary>
    internal string Describe() =>
        LastingParent is null ? OriginalPath : Path.Combine(LastingParent, _located ?? Locate() ?? _pattern.Name);

    /// <summary>Removes the image of before that the new one replaces; the checkpoint stands.</summary>
    internal void Keep()
    {
        if (Locate() is var name && _aside.Remove(_located ?? name ?? _pattern.Name, out ImageSetAside? replaced))
        {
            // What cannot be removed is left to the next checkpoint.
            _parent.DeleteTree(ImageSetAside.NameOf(replaced.Target), _users);
            replaced.Dispose();
        }

        PutBackAll();
    }

    /// <summary>Removes what a failed checkpoint has left, and puts the images of before back.</summary>
    internal void PutBack()
    {
        if (Locate() is { } failed && IsMadeForThis(failed) && _parent.DeleteTree(failed, _users) is not (Errno.None or Errno.ENOENT))
        {
            // The JVM may still be writing, or another user have written: what failed matters more than this.
            return;
        }

        PutBackAll();
    }

    /// <summary>
    /// Puts the images of before back beside what a JVM has left that has ended: that stays, under another name where an
    /// image of before needs its own.
    /// </summary>
    internal void KeepRemains()
    {
        foreach (string name in _aside.Keys)
        {
            _parent.Rename(name, _parent, ImageSetAside.RemainsOf(name), LibC.RENAME_NOREPLACE);
        }

        PutBackAll();
    }

    /// <summary>Writes cppath, as an engine does that is a program of its own, where that engine was ended before it could.</summary>
    /// <param name="image">The image's directory.</param>
    internal void WriteOriginalPath(FolderHandle image)
    {
        const int O_TRUNC = 0x200;
        const uint ReadableFile = 0x1A4; // 0644: the JVM's user reads it
        string original = LastingParent is null ? OriginalPath : Path.Combine(_parent.CurrentPath ?? LastingParent, Locate() ?? _pattern.Name);
        using SafeFileHandle file = image.Open(OriginalPathName, LibC.O_WRONLY | LibC.O_CREAT | O_TRUNC, out Errno errno, ReadableFile);
        if (errno == 0)
        {
            RandomAccess.Write(file, Encoding.UTF8.GetBytes(original), 0);
        }
    }

    /// <summary>Removes the image's files after they have been given another place, and the directory where it was made for them.</summary>
    internal void Empty(FolderHandle image, IEnumerable<string> names)
    {
        if (!image.BelongsTo(_users))
        {
            return;
        }

        foreach (string name in names)
        {
            image.Delete(name);
        }

        if (Locate() is { } own && !_before.ContainsKey(own))
        {
            // Fails if there is anything else in it.
            _parent.DeleteFolder(own);
        }
    }

    public void Dispose()
    {
        foreach (ImageSetAside each in _aside.Values)
        {
            each.Dispose();
        }

        _aside.Clear();
        _parent.Dispose();
        _root.Dispose();
    }

    private string? Locate() => _pattern.IsOpen ? _located ?? FindNew() : _parent.Contains(_pattern.Name) ? _pattern.Name : null;

    // From the descriptor: the JVM's mount namespace can end with the JVM, and what is open in it stays. The JVM follows a link here,
    // whose owner decides where the image goes.
    private FolderHandle? TryOpen(string name)
    {
        if (!_parent.TryGetStatus(name, out FileStatus status, out _) || status.Type != FileType.SymbolicLink)
        {
            return _parent.TryOpenFolder(name, out _);
        }

        if (!_users.Contains((int)status.UserId) || _parent.ReadLink(name) is not { } target)
        {
            return null;
        }

        using PathWalk walk = PathWalk.Along(_parent, target, _root);
        return walk.FindForeignLink(_users) is null ? FolderHandle.TryOpen(walk, out _) : null;
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
