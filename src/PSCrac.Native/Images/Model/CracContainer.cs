using System.Text.Json;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>The container that a checkpoint archive is of: what Podman, CRI-O or the kubelet wrote beside criu's image.</summary>
public sealed class CracContainer
{
    private readonly ArchiveImageSource _archive;
    private IReadOnlyList<string>? _changes;
    private IReadOnlyList<string>? _deleted;

    private CracContainer(ArchiveImageSource archive) => _archive = archive;

    /// <summary>The container's name.</summary>
    public required string Name { get; init; }

    /// <summary>The container's id.</summary>
    public required string Id { get; init; }

    /// <summary>The image it was made from, such as "docker.io/library/redis:7"; empty where it was made from a folder.</summary>
    public required string Image { get; init; }

    /// <summary>The runtime, such as "runc"; empty where it is not told.</summary>
    public required string Runtime { get; init; }

    /// <summary>What took the checkpoint: "Podman", "CRI-O" or "containerd"; empty where it is not told.</summary>
    public required string Engine { get; init; }

    /// <summary>When the container was created; null where it is not told.</summary>
    public DateTimeOffset? Created { get; init; }

    /// <summary>The paths that the container had changed or added in its root file system; the archive has them in rootfs-diff.tar.</summary>
    public IReadOnlyList<string> RootFileSystemChanges => _changes ??= ReadChanges();

    /// <summary>The paths that the container had deleted from its root file system.</summary>
    public IReadOnlyList<string> RootFileSystemDeletions => _deleted ??= ReadDeleted();

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Image})";

    /// <summary>Reads what an archive says of its container; null where it says nothing.</summary>
    internal static CracContainer? Read(ArchiveImageSource archive)
    {
        using JsonDocument? config = ReadJson(archive, "config.dump");
        if (config is null)
        {
            return null;
        }

        using JsonDocument? spec = ReadJson(archive, "spec.dump");
        JsonElement annotations = default;
        bool isAnnotated = spec is not null && spec.RootElement.ValueKind == JsonValueKind.Object
            && spec.RootElement.TryGetProperty("annotations", out annotations) && annotations.ValueKind == JsonValueKind.Object;
        JsonElement root = config.RootElement;
        return new CracContainer(archive)
        {
            Name = isAnnotated && Text(annotations, "io.kubernetes.container.name") is { Length: > 0 } name ? name : Text(root, "name"),
            Id = Text(root, "id"),
            Image = Text(root, "rootfsImageName") is { Length: > 0 } image ? image : Text(root, "rootfsImage"),
            Runtime = Text(root, "runtime"),
            Engine = !isAnnotated ? "" : Text(annotations, "io.container.manager") switch
            {
                "libpod" => "Podman",
                "cri-o" => "CRI-O",
                "" => annotations.TryGetProperty("io.kubernetes.cri.container-type", out _) ? "containerd" : "",
                string other => other,
            },
            Created = DateTimeOffset.TryParse(Text(root, "createdTime"), System.Globalization.CultureInfo.InvariantCulture, out DateTimeOffset time) ? time : null,
        };
    }

    private static string Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static JsonDocument? ReadJson(ArchiveImageSource archive, string name)
    {
        using ImageFile? file = archive.TryOpenOutside(name);
        if (file is null || file.Length > ArchiveImageSource.LargestKept)
        {
            return null;
        }

        byte[] bytes = new byte[file.Length];
        file.ReadExactlyAt(0, bytes);
        try
        {
            return JsonDocument.Parse(bytes);
        }
        catch (JsonException e)
        {
            ImageFault.Corrupt(file, e.BytePositionInLine ?? 0, "it is not JSON");
            return null;
        }
    }

    private List<string> ReadChanges()
    {
        using ImageFile? file = _archive.TryOpenOutside("rootfs-diff.tar");
        if (file is null)
        {
            return [];
        }

        using var content = new ImageFileStream(file, 0, file.Length);
        var scanner = new TarScanner(content, _archive.Path, "rootfs-diff.tar");
        var paths = new List<string>();
        while (scanner.Next() is { } member)
        {
            paths.Add("/" + member.Name);
        }

        return paths;
    }

    private List<string> ReadDeleted()
    {
        using JsonDocument? list = ReadJson(_archive, "deleted.files");
        var paths = new List<string>();
        if (list is { RootElement.ValueKind: JsonValueKind.Array })
        {
            foreach (JsonElement path in list.RootElement.EnumerateArray())
            {
                if (path.ValueKind == JsonValueKind.String)
                {
                    paths.Add(path.GetString()!);
                }
            }
        }

        return paths;
    }
}
