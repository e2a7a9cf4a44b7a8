using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>A namespace of processes in an image.</summary>
public sealed class CracImageNamespace
{
    private static readonly (string Field, string Kind, string? File, ImageType? Type)[] s_kinds =
    [
        ("pid_ns_id", "pid", "pidns", ImageType.Pidns),
        ("net_ns_id", "net", "netns", ImageType.Netns),
        ("ipc_ns_id", "ipc", "ipcns-var", ImageType.IpcVar),
        ("uts_ns_id", "uts", "utsns", ImageType.Utsns),
        ("mnt_ns_id", "mnt", null, null),
        ("user_ns_id", "user", "userns", ImageType.Userns),
        ("cgroup_ns_id", "cgroup", null, null),
        ("time_ns_id", "time", "timens", ImageType.Timens),
    ];

    private CracImageNamespace(string kind, int id, bool isHost, IReadOnlyList<int> processIds, CracImageRecord? details)
    {
        Kind = kind;
        Id = id;
        IsHost = isHost;
        ProcessIds = processIds;
        Details = details;
    }

    /// <summary>The kind, with the name in proc: "pid", "net", "ipc", "uts", "mnt", "user", "cgroup" or "time".</summary>
    public string Kind { get; }

    /// <summary>The namespace's id in the image, which is part of the names of its files.</summary>
    public int Id { get; }

    /// <summary>Whether criu itself was in this namespace. It is then not in the image, and a restore uses its own namespace.</summary>
    public bool IsHost { get; }

    /// <summary>The ids of the processes in the namespace.</summary>
    public IReadOnlyList<int> ProcessIds { get; }

    /// <summary>The namespace's decoded entry: host name, id maps, clocks, settings; null if the image has none.</summary>
    internal CracImageRecord? Details { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{Kind}:[{Id}]";

    internal static CracImageNamespace[] ReadAll(ImageSource source, IReadOnlyList<CracImageProcess> processes)
    {
        CracImageRecord? own = null;
        foreach (CracImageRecord inventory in source.ReadRecords("inventory.img", ImageType.Inventory))
        {
            own = inventory.GetRecord("root_ids");
        }

        var members = new SortedDictionary<(int Kind, uint Id), List<int>>();
        foreach (CracImageProcess process in processes)
        {
            CracImageRecord? ids = process.ReadIds();
            for (int i = 0; ids is not null && i < s_kinds.Length; i++)
            {
                if (ids.GetNumber(s_kinds[i].Field) is > 0 and ulong id)
                {
                    (int, uint) key = (i, (uint)id);
                    if (!members.TryGetValue(key, out List<int>? list))
                    {
                        members[key] = list = [];
                    }

                    list.Add(process.ProcessId);
                }
            }
        }

        var namespaces = new List<CracImageNamespace>(members.Count);
        foreach (((int index, uint id), List<int> pids) in members)
        {
            (string field, string kind, string? file, ImageType? type) = s_kinds[index];
            CracImageRecord? details = null;
            foreach (CracImageRecord record in type is null ? [] : source.ReadRecords($"{file}-{id}.img", type))
            {
                details = record;
            }

            namespaces.Add(new CracImageNamespace(kind, (int)id, own is not null && own.GetNumber(field) == id, pids, details));
        }

        return [.. namespaces];
    }
}
