using PSCrac.Common;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Staging;

namespace PSCrac.Stores;

/// <summary>
/// A layout of one image for one run of skopeo, whose content is in another layout: skopeo changes the index of its layout without a lock.
/// It is a private folder below the state folder, locked as long as it is used; what killed sessions left, the next removes.
/// </summary>
internal sealed class TransferFolder : IDisposable
{
    /// <summary>The tag of the image.</summary>
    internal const string Tag = "image";

    private const uint Private = 0x1C0; // 0700
    private readonly FolderHandle _above;
    private readonly FolderHandle _folder;
    private readonly string _name;

    private TransferFolder(FolderHandle above, FolderHandle folder, string name)
    {
        _above = above;
        _folder = folder;
        _name = name;
    }

    /// <summary>The path of the folder.</summary>
    internal string Path => _folder.Path;

    /// <summary>Makes one, which is empty.</summary>
    internal static TransferFolder Create()
    {
        string path = System.IO.Path.Combine(StateDirectory.Path, "transfers");
        if (path.Contains(':', StringComparison.Ordinal))
        {
            throw new CracException(CracReason.OptionRefused, $"The state folder {StateDirectory.Path} has a colon in its path, which skopeo takes for the beginning of a tag.", $"Set the environment variable {StateDirectory.Variable} to a folder without one.");
        }

        FolderHandle.Make(path, Private, out Errno errno)?.Dispose();
        StoreLayout.Require(errno, path);
        FolderHandle above = FolderHandle.OpenOwned(path, TrustedUsers.Read());
        try
        {
            RemoveAbandoned(above);
            string name = StagingFolder.NewName();
            StoreLayout.Require(above.MakeFolder(name, Private), path);
            FolderHandle? folder = StagingFolder.TryLock(above, name);
            return folder is not null ? new TransferFolder(above, folder, name) : throw new CracException(CracReason.SealFailed, $"{path} cannot be locked.", "Use a file system that has locks (flock(2)).");
        }
        catch
        {
            above.Dispose();
            throw;
        }
    }

    /// <summary>Makes it the layout of an image.</summary>
    internal void Offer(Descriptor manifest) => StoreLayout.WriteSingle(_folder, Tag, manifest);

    /// <inheritdoc/>
    public void Dispose()
    {
        _above.DeleteTree(_name, TrustedUsers.Read());
        _folder.Dispose();
        _above.Dispose();
    }

    private static void RemoveAbandoned(FolderHandle above)
    {
        foreach (string name in above.ReadNames() ?? [])
        {
            using FolderHandle? folder = StagingFolder.TryLock(above, name);
            if (folder is not null)
            {
                above.DeleteTree(name, TrustedUsers.Read());
            }
        }
    }
}
