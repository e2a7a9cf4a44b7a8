using System.Globalization;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Running;

/// <summary>
/// The records of the processes that PSCrac restored or started, in a file for each, so that any session finds them. A record is not
/// believed: its process is looked up by pid and start time. A record of a process that has ended is removed by whoever reads it.
/// </summary>
internal static class RunningProcesses
{
    private const uint FolderMode = 0x1ED; // 0755
    private const uint FileMode = 0x1A4; // 0644
    private const int MaximumSize = 1 << 20;
    private const string Extension = ".json";

    /// <summary>The folder of the records. It need not exist.</summary>
    internal static string Folder => Path.Combine(StateDirectory.Path, "running");

    /// <summary>Writes the record of a process. Without a folder that can be written there is none: a restore does not fail for it.</summary>
    /// <param name="processId">The root, by its pid here.</param>
    /// <param name="command">The command line.</param>
    /// <param name="complete">Adds to the record what is known of the process.</param>
    internal static void Add(int processId, string command, Func<RunningProcess, RunningProcess> complete)
    {
        if (ProcessIdentity.TryRead(processId) is not { } identity || ReadPidNamespace() is not { } pidNamespace)
        {
            return;
        }

        RunningProcess record = complete(new RunningProcess
        {
            ProcessId = processId,
            StartTimeTicks = identity.StartTimeTicks,
            BootId = BootId.Current,
            PidNamespace = pidNamespace,
            Command = command,
            Since = DateTimeOffset.UtcNow,
        });
        if (record.PageDaemonId is { } daemon)
        {
            record = record with { PageDaemonStartTimeTicks = ProcessIdentity.TryRead(daemon)?.StartTimeTicks };
        }

        using FolderHandle? folder = FolderHandle.Make(Folder, FolderMode, out _);
        if (folder is not null && folder.BelongsTo(TrustedUsers.Read()))
        {
            SmallFile.Write(folder, NameOf(record), JsonSerializer.SerializeToUtf8Bytes(record, RunningProcessJson.Default.RunningProcess), FileMode, replaces: true);
        }
    }

    /// <summary>The processes of this pid namespace that still run, ordered by pid; empty where nothing was recorded.</summary>
    internal static IReadOnlyList<RunningProcess> Read()
    {
        var running = new List<RunningProcess>();
        using FolderHandle? folder = FolderHandle.TryOpen(Folder, out _);
        if (folder is null || !folder.BelongsTo(TrustedUsers.Read()) || ReadPidNamespace() is not { } own)
        {
            return running;
        }

        foreach (string name in folder.ReadNames() ?? [])
        {
            RunningProcess? record = TryRead(folder, name);
            if (record is not null && record.BootId == BootId.Current && record.PidNamespace != own)
            {
                // Of a container, whose pids are others here.
                continue;
            }

            if (record is not null && record.BootId == BootId.Current && new ProcessIdentity(record.ProcessId, record.StartTimeTicks).IsRunning())
            {
                running.Add(record);
            }
            else if (name.EndsWith(Extension, StringComparison.Ordinal) && name[0] != '.')
            {
                folder.Delete(name);
            }
        }

        running.Sort(static (one, other) => one.ProcessId.CompareTo(other.ProcessId));
        return running;
    }

    /// <summary>The record of a process that still runs; null if there is none.</summary>
    /// <param name="processId">Its pid here.</param>
    internal static RunningProcess? Find(int processId)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(Folder, out _);
        return folder is not null && folder.BelongsTo(TrustedUsers.Read()) && ReadPidNamespace() is { } own
            && TryRead(folder, NameOf(own, processId)) is { } record && record.BootId == BootId.Current && record.PidNamespace == own
            && record.ProcessId == processId && new ProcessIdentity(processId, record.StartTimeTicks).IsRunning()
                ? record
                : null;
    }

    // A later process with the same pid has the same name, so there are never more records than pids.
    private static string NameOf(RunningProcess record) => NameOf(record.PidNamespace, record.ProcessId);

    private static string NameOf(ulong pidNamespace, int processId) => string.Create(CultureInfo.InvariantCulture, $"{pidNamespace}-{processId}{Extension}");

    private static RunningProcess? TryRead(FolderHandle folder, string name)
    {
        using SafeFileHandle file = folder.OpenToRead(name, out Errno errno);
        try
        {
            RunningProcess? record = errno == 0 && SmallFile.Read(file, MaximumSize) is { } text
                ? JsonSerializer.Deserialize(text, RunningProcessJson.Default.RunningProcess) : null;
            return record is not null && NameOf(record) == name ? record : null;
        }
        catch (Exception e) when (e is JsonException or IOException)
        {
            return null;
        }
    }

    private static ulong? ReadPidNamespace() => FileStatus.TryRead("/proc/self/ns/pid", 0, out FileStatus status, out _) ? status.Inode : null;
}
