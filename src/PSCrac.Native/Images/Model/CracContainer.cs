using System.Text.Json;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>The container of a checkpoint archive, from the files that Podman, CRI-O or the kubelet add to criu's image.</summary>
public sealed class CracContainer
{
    // A container changes more files than an image has.
    private const int MaximumChanges = 1 << 20;
    private const long MaximumChangedNames = 64 << 20;
    private readonly ArchiveImageSource _archive;
    private IReadOnlyList<string>? _changes;
    private IReadOnlyList<string>? _deleted;

    private CracContainer(ArchiveImageSource archive) => _archive = archive;

    /// <summary>The container's name.</summary>
    public required string Name { get; init; }

    /// <summary>The container's id.</summary>
    public required string Id { get; init; }

    /// <summary>The container image, such as "docker.io/library/redis:7"; empty if the container was created from a directory.</summary>
    public required string Image { get; init; }

    /// <summary>The runtime, such as "runc"; empty if the archive does not record it.</summary>
    public required string Runtime { get; init; }

    /// <summary>The engine that took the checkpoint: "Podman", "CRI-O" or "containerd"; empty if the archive does not record it.</summary>
    public required string Engine { get; init; }

    /// <summary>When the container was created; null if the archive does not record it.</summary>
    public DateTimeOffset? Created { get; init; }

    /// <summary>The paths that the container changed or added in its root file system; their content is in rootfs-diff.tar of the archive.</summary>
    public IReadOnlyList<string> RootFileSystemChanges => _changes ??= ReadChanges();

    /// <summary>The paths that the container deleted from its root file system.</summary>
    public IReadOnlyList<string> RootFileSystemDeletions => _deleted ??= ReadDeleted();

    /// <summary>What restores the container, as a sentence.</summary>
    internal string RestoreCommand(string archivePath) => RestoreCommand(Engine, archivePath);

    /// <summary>What restores a container of an engine, as a sentence.</summary>
    internal static string RestoreCommand(string engine, string archivePath) => engine is "CRI-O" or "containerd"
        ? $"Restore the container: crictl create, with {archivePath} as the image in the container's configuration, then crictl start."
        : $"Restore the container: podman container restore --import {archivePath}";

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Image})";

    /// <summary>Reads the container of an archive; null if the archive describes none.</summary>
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
            Name = isAnnotated && GetText(annotations, "io.kubernetes.container.name") is { Length: > 0 } name ? name : GetText(root, "name"),
            Id = GetText(root, "id"),
            Image = GetText(root, "rootfsImageName") is { Length: > 0 } image ? image : GetText(root, "rootfsImage"),
            Runtime = GetText(root, "runtime"),
            Engine = isAnnotated ? EngineOf(annotations) : "",
            Created = DateTimeOffset.TryParse(GetText(root, "createdTime"), System.Globalization.CultureInfo.InvariantCulture, out DateTimeOffset time) ? time : null,
        };
    }

    /// <summary>The engine that made an archive: "Podman", "CRI-O" or "containerd"; empty if it is not known.</summary>
    /// <param name="specification">The archive's spec.dump; null if it has none.</param>
    internal static string FindEngine(ImageFile? specification)
    {
        using JsonDocument? spec = specification is null ? null : ReadJson(specification);
        return spec is { RootElement.ValueKind: JsonValueKind.Object } && spec.RootElement.TryGetProperty("annotations", out JsonElement annotations) && annotations.ValueKind == JsonValueKind.Object
            ? EngineOf(annotations)
            : "";
    }

    private static string EngineOf(JsonElement annotations) => GetText(annotations, "io.container.manager") switch
    {
        "libpod" => "Podman",
        "cri-o" => "CRI-O",
        "" => annotations.TryGetProperty("io.kubernetes.cri.container-type", out _) ? "containerd" : "",
        string other => other,
    };

    private static string GetText(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static JsonDocument? ReadJson(ArchiveImageSource archive, string name)
    {
        using ImageFile? file = archive.TryOpenMember(name);
        return file is null || file.Length > ArchiveImageSource.MaximumKeptFileSize ? null : ReadJson(file);
    }

    private static JsonDocument? ReadJson(ImageFile file)
    {
        byte[] bytes = new byte[file.Length];
        file.ReadExactlyAt(0, bytes);
        try
        {
            return JsonDocument.Parse(bytes);
        }
        catch (JsonException e)
        {
            ImageFault.Corrupt(file, e.BytePositionInLine ?? 0, "it is not valid JSON");
            return null;
        }
    }

    private List<string> ReadChanges()
    {
        using ImageFile? file = _archive.TryOpenMember("rootfs-diff.tar");
        if (file is null)
        {
            return [];
        }

        using var content = new ImageFileStream(file, 0, file.Length);
        var scanner = new TarScanner(content, _archive.Path, "rootfs-diff.tar", new NameBudget(MaximumChanges, MaximumChangedNames));
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
