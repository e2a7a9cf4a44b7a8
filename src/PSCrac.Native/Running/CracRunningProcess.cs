using PSCrac.Procfs;
using PSCrac.Running;

namespace PSCrac;

/// <summary>
/// A process that PSCrac restored or started, in this session or another one, and that still runs. It binds to Stop-Process,
/// Wait-Process and Get-Process by <see cref="Id"/>, and has no property named Name or ProcessName, since these would bind too.
/// </summary>
public sealed class CracRunningProcess
{
    internal CracRunningProcess(RunningProcess record)
    {
        Id = record.ProcessId;
        Command = record.Command;
        ServiceName = record.Service;
        ImagePath = record.ImagePath;
        NamespaceInitId = record.NamespaceInitId;
        Since = record.Since.LocalDateTime;
        HasLazyPages = record is { PageDaemonId: { } daemon, PageDaemonStartTimeTicks: { } start } && new ProcessIdentity(daemon, start).IsRunning();
    }

    /// <summary>The root's pid, as seen from here.</summary>
    public int Id { get; }

    /// <summary>The command line, arguments separated by spaces.</summary>
    public string Command { get; }

    /// <summary>The service that it is; null for none.</summary>
    public string? ServiceName { get; }

    /// <summary>Whether it was restored from an image. Otherwise it was started.</summary>
    public bool IsRestored => ImagePath is not null;

    /// <summary>The path of the image that it was restored from, which need not exist any more; null for a started program.</summary>
    public string? ImagePath { get; }

    /// <summary>
    /// The pid of the first process of the pid namespace of its own, as seen from here; null where it runs in the namespace of its caller.
    /// </summary>
    public int? NamespaceInitId { get; }

    /// <summary>When it was restored or started, in local time.</summary>
    public DateTime Since { get; }

    /// <summary>Whether memory of it is still being transferred from the image, by criu's page daemon.</summary>
    public bool HasLazyPages { get; }

    /// <summary>All of them in this pid namespace, ordered by pid.</summary>
    internal static IReadOnlyList<CracRunningProcess> ReadAll() => [.. RunningProcesses.Read().Select(static record => new CracRunningProcess(record))];

    /// <inheritdoc/>
    public override string ToString() => $"{Command} ({Id})";
}
