using System.Buffers;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;

namespace PSCrac.Archives;

/// <summary>
/// Decides about each entry of an archive before anything of it is written: a file of the image, something of a container engine's that
/// is passed over, or a reason to refuse the archive.
/// </summary>
/// <param name="archivePath">The archive's path, for messages.</param>
internal sealed class ArchiveEntryRules(string archivePath)
{
    /// <summary>A container engine's description of the container.</summary>
    internal const string ContainerConfiguration = "config.dump";

    /// <summary>The OCI specification of the container.</summary>
    internal const string ContainerSpecification = "spec.dump";

    private const int MaximumNameBytes = 255;

    // What Podman, CRI-O and containerd put beside the image. Of the image itself, descriptors.json is runc's, and the rest criu's.
    private static readonly string[] s_containerFiles =
    [
        ContainerConfiguration, ContainerSpecification, "network.status", "rootfs-diff.tar", "deleted.files", "bind.mounts", "devshm-checkpoint.tar",
        "ctr.log", "container.log", "status", "status.dump", "pod.dump", "pod.options", "io.kubernetes.cri-o.LogPath", "descriptors.json",
    ];

    private static readonly string[] s_containerFolders = ["artifacts", "volumes"];
    private static readonly SearchValues<char> s_nameCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    private readonly NameBudget _names = new();
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);
    private string? _folder;

    /// <summary>Whether a container engine made the archive.</summary>
    internal bool HasContainer { get; private set; }

    /// <summary>Decides about an entry.</summary>
    /// <returns>The name of the image's file; null for an entry that is passed over.</returns>
    /// <exception cref="CracException">The archive is refused.</exception>
    internal string? Accept(in TarEntry entry)
    {
        if (_names.Add(entry.Name) is { } limit)
        {
            throw Refused(CracReason.ImageCorrupt, entry, limit);
        }

        string[] parts = SplitName(entry);
        if (entry.Type == '2' && parts is [.., "parent"])
        {
            throw Refused(
                CracReason.ImageIncomplete,
                entry,
                "it leads to a parent image that has a part of the memory and is not in the archive, as in one that podman made with --with-previous",
                "Unpack the archive and that of the pre-checkpoint into the same folder with tar, and import the folder 'checkpoint' in it: the memory of the parents is taken in.");
        }

        RequireType(entry);
        if (entry.Type == '5')
        {
            return null;
        }

        string name = parts[^1];
        string folder = string.Join('/', parts[..^1]);
        if (!IsOfImage(name))
        {
            return IsOfContainer(folder, name) ? null : throw Refused(CracReason.NotAnImage, entry, "an image has no file of this name");
        }

        // criu's statistics and log are beside Podman's image.
        bool isBeside = folder.Length == 0 && !ImageManifest.IsSealed(name) && name is not (ImageManifest.FileName or ImageManifest.SignatureFileName);
        _folder ??= isBeside ? null : folder;
        if (!isBeside && folder != _folder)
        {
            throw Refused(CracReason.NotAnImage, entry, $"there are files of an image in another folder, {(_folder!.Length == 0 ? "the first" : _folder)}");
        }

        if (IsOfRestore(name))
        {
            return null;
        }

        return _taken.Add(name) ? name : throw Refused(CracReason.ImageCorrupt, entry, "there is another entry of this name");
    }

    /// <summary>The exception that refuses an archive for one of its entries.</summary>
    internal CracException Refused(CracReason reason, in TarEntry entry, string why, string? recommendedAction = null) => new(
        reason,
        $"The archive {archivePath} is refused for its entry '{entry.Name}': {why}.",
        recommendedAction ?? "Import an archive that Export-CracImage, Podman, CRI-O or the kubelet wrote; tar -tvf lists what this one has.")
    {
        ImagePath = archivePath,
        FileName = entry.Name,
    };

    // A file that an earlier restore has left in the image.
    private static bool IsOfRestore(string name) =>
        name == "stats-restore" || (name.StartsWith("restore", StringComparison.Ordinal) && name.EndsWith(".log", StringComparison.Ordinal));

    /// <summary>Whether an image can have a file of this name.</summary>
    internal static bool IsOfImage(string name) =>
        name.Length <= MaximumNameBytes && !name.AsSpan().ContainsAnyExcept(s_nameCharacters) && name != "parent" && ImageRemoval.IsOfImage(name);

    private bool IsOfContainer(string folder, string name)
    {
        HasContainer |= folder.Length == 0 && name == ContainerConfiguration;
        return (folder.Length == 0 || folder == _folder ? s_containerFiles.Contains(name) : s_containerFolders.Contains(folder.Split('/')[0]))
            || (_folder is null && name == "descriptors.json");
    }

    private string[] SplitName(in TarEntry entry)
    {
        if (entry.Name.StartsWith('/'))
        {
            throw Refused(CracReason.ImageNotTrusted, entry, "its name is absolute, and would be written outside of the image");
        }

        string[] parts = [.. entry.Name.Split('/').Where(static part => part is not ("" or "."))];
        if (parts.Contains(".."))
        {
            throw Refused(CracReason.ImageNotTrusted, entry, "its name has '..' in it, and could be written outside of the image");
        }

        return parts.Length > 0 || entry.Type == '5' ? parts : throw Refused(CracReason.NotAnImage, entry, "it has no name");
    }

    private void RequireType(in TarEntry entry)
    {
        if (entry.IsSparse)
        {
            throw Refused(
                CracReason.ResourceUnsupported,
                entry,
                "it is a sparse file in a format of GNU tar's, which readers unpack differently",
                "Unpack the archive with tar, and pack it again without --sparse.");
        }

        string? what = entry.Type switch
        {
            '0' or '5' => null,
            '1' => "it is a hard link",
            '2' => "it is a symbolic link",
            '3' or '4' => "it is a device",
            '6' => "it is a FIFO",
            _ => $"it is of the type '{entry.Type}'",
        };
        if (what is not null)
        {
            throw Refused(CracReason.ImageNotTrusted, entry, $"{what}, and an image has only regular files");
        }
    }
}
