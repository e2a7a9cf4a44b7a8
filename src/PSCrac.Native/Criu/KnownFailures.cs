using System.Text.RegularExpressions;

namespace PSCrac.Criu;

/// <summary>
/// What criu's error lines mean and what to do about them. A row is tried against each line in turn, rows in order, so
/// the more telling rows come first. Groups of a pattern can be named in its message as {name}.
/// </summary>
internal static partial class KnownFailures
{
    private const string Checkpoint = "checkpoint";
    private const string Restore = "restore";

    internal sealed record Row(string Name, string? Operation, Regex Pattern, CracReason Reason, string Message, string Advice);

    /// <summary>The table.</summary>
    internal static IReadOnlyList<Row> Rows { get; } =
    [
        new("pid taken", Restore, PidTaken(), CracReason.PidInUse,
            "The process id {pid} of the image is taken.",
            "Add -PidNamespace Auto to restore beside its owner; or free it with Stop-Process -Id {pid}, or raise -PidTimeout."),
        new("connected tcp socket", Checkpoint, ConnectedTcp(), CracReason.TcpConnectionOpen,
            "The process has an open TCP connection, and nothing says what to do with it.",
            "Add -TcpEstablished to keep it, or -TcpClose to let the restored process find it closed."),
        new("connected tcp socket in image", Restore, TcpNeedsOption(), CracReason.TcpConnectionOpen,
            "The image holds an open TCP connection.",
            "Add -TcpEstablished to take it up again, or -TcpClose to let the process find it closed."),
        new("terminal", Checkpoint, Terminal(), CracReason.TerminalAttached,
            "The process belongs to a terminal's session that is not part of its tree.",
            "Add -ShellJob, or start it in a session of its own, with setsid and redirected streams."),
        new("no terminal to restore to", Restore, NoTerminal(), CracReason.TerminalAttached,
            "The image's processes had a terminal, and there is none here to give them.",
            "Restore from an interactive terminal, or give its streams files with -StandardInputPath, -StandardOutputPath and -StandardErrorPath."),
        new("locks", Checkpoint, Locks(), CracReason.FileLocksHeld,
            "The process holds file locks.",
            "Add -FileLocks to take them again at the restore."),
        new("file size", Restore, FileSize(), CracReason.FileChanged,
            "The file {file} has {size} bytes, where the image expects {expected}.",
            "Where it has only grown, add -ReopenGrownFile; else put it back as it was, or name another with -ReplaceFile."),
        new("file mode", Restore, FileMode(), CracReason.FileChanged,
            "The file {file} has other permissions than at the checkpoint.",
            "Set them back, or add -CriuOption @{ 'skip-file-rwx-check' = $true }."),
        new("file validation", Restore, FileBuildId(), CracReason.FileChanged,
            "The file {file} is another build than at the checkpoint.",
            "Put back the program or library that the image was made with."),
        new("file missing", Restore, FileGone(), CracReason.FileMissing,
            "The file {file} is not there.",
            "Put it back where it was at the checkpoint."),
        new("ghost file too large", Checkpoint, GhostTooLarge(), CracReason.FileUnlinked,
            "The process has the unlinked file {file} open, which is larger than the limit for keeping one.",
            "Add -GhostLimit with at least its size."),
        new("linked file needs remap", Checkpoint, NeedsLinkRemap(), CracReason.FileUnlinked,
            "The process has a file open whose name was unlinked while other names of it remain.",
            "Add -LinkRemap; the image can then be restored once."),
        new("unix peer outside", Checkpoint, UnixPeer(), CracReason.UnixSocketExternal,
            "A unix socket of the process is connected to a process outside its tree.",
            "Checkpoint the process that holds the other end's parent, or add -ExternalUnixSocket to leave it out."),
        new("address in use", Restore, AddressInUse(), CracReason.AddressUnavailable,
            "An address that the image's sockets were bound to is in use.",
            "Stop what listens there; Test-Connection and ss -ltnp show what it is."),
        new("address not here", Restore, AddressMissing(), CracReason.AddressUnavailable,
            "An address that the image's sockets were bound to does not exist on this host.",
            "Add the address to an interface, or bind to 0.0.0.0 or [::] before the checkpoint."),
        new("traced", Checkpoint, Traced(), CracReason.ProcessTraced,
            "A process of the tree is being traced.",
            "Detach the debugger or strace from it."),
        new("pid namespace", Checkpoint, PidNamespace(), CracReason.NamespaceUnsupported,
            "The process lives in another pid namespace, and its init is not part of the tree.",
            "Checkpoint it from inside that namespace, or checkpoint the namespace's init."),
        new("user namespace", Checkpoint, UserNamespace(), CracReason.NamespaceUnsupported,
            "The process lives in a user namespace that was made outside its tree.",
            "Checkpoint the process that made the namespace."),
        new("bpf", Checkpoint, Bpf(), CracReason.ResourceUnsupported,
            "The process uses BPF objects, which criu cannot checkpoint.",
            "Close them before the checkpoint."),
        new("unsupported descriptor", Checkpoint, UnsupportedFile(), CracReason.ResourceUnsupported,
            "Descriptor {fd} of the process is of a kind that criu cannot checkpoint: {what}.",
            "Close it before the checkpoint."),
        new("io_uring", Checkpoint, SendFds(), CracReason.ResourceUnsupported,
            "The process has a descriptor that cannot be handed to criu; io_uring instances are such.",
            "Turn io_uring off in the program (UV_USE_IO_URING=0 for node), or close it before the checkpoint."),
        new("SysV IPC", Checkpoint, SysVIpc(), CracReason.ResourceUnsupported,
            "The process uses a System V shared memory segment outside an IPC namespace.",
            "Start it in an IPC namespace of its own: unshare --ipc."),
        new("memory tracking", null, PidReuse(), CracReason.KernelFeatureMissing,
            "This kernel cannot track changed pages, so no image can be made on top of another.",
            "Leave out -ParentImage and -TrackMemory; Test-CracEnvironment tells whether a kernel can."),
        new("no dirty tracking", null, NoDirtyTracking(), CracReason.KernelFeatureMissing,
            "This kernel cannot track changed pages (CONFIG_MEM_SOFT_DIRTY).",
            "Leave out -TrackMemory and -ParentImage."),
        new("no space", null, NoSpace(), CracReason.NoSpace,
            "No space is left on the file system that the image is written to.",
            "Free some, or give -ImagePath on another file system."),
        new("freeze timeout", Checkpoint, Freeze(), CracReason.FreezeTimeout,
            "The tree could not be frozen in time.",
            "Raise -FreezeTimeout; a task in uninterruptible sleep keeps it from freezing."),
        new("no such process", Checkpoint, NoProcess(), CracReason.ProcessGone,
            "The process ended before it was frozen.",
            "Get-Process shows what runs now."),
        new("cpu", Restore, Cpu(), CracReason.CpuIncompatible,
            "This CPU lacks features that the image's processes may use.",
            "Restore on a CPU like the one the image was made on, or add -CriuOption @{ 'cpu-cap' = 'none' } at your own risk."),
        new("image file missing", Restore, ImageFileMissing(), CracReason.ImageIncomplete,
            "The image lacks the file {file}.",
            "Copy the image again, all of its files; Get-CracImage shows what is readable of it."),
        new("image cut short", Restore, ImageCut(), CracReason.ImageIncomplete,
            "A file of the image is cut short.",
            "Copy the image again, or make a new one."),
        new("bad magic", Restore, BadMagic(), CracReason.ImageCorrupt,
            "A file of the image does not hold what its name says.",
            "Copy the image again, or make a new one."),
        new("bad entry", Restore, BadEntry(), CracReason.ImageCorrupt,
            "An entry of one of the image's files cannot be read.",
            "Copy the image again, or make a new one."),
        new("network lock", null, NetworkLock(), CracReason.KernelFeatureMissing,
            "criu could not lock the process's connections: it needs iptables or nftables for that.",
            "Install iptables, or add -CriuOption @{ 'network-lock' = 'nftables' }."),
        new("option", null, BadOption(), CracReason.OptionRefused,
            "criu refuses an option it was given: {option}.",
            "Check the names in -CriuOption against criu --help, and the files criu.conf(5) names."),
        new("resource limits", Checkpoint, OtherUsersLimits(), CracReason.PermissionDenied,
            "criu may not read the resource limits of a process of another user.",
            "Grant CAP_SYS_RESOURCE to this session."),
        new("capability", null, Capabilities(), CracReason.PermissionDenied,
            "criu lacks a privilege: {what}.",
            "Run as root, or grant criu the capabilities that Test-CracEnvironment names."),
    ];

    /// <summary>The exception for a failure of criu.</summary>
    /// <param name="operation">"checkpoint", "restore" or "check".</param>
    /// <param name="processId">The process it was about; null where it was about none.</param>
    /// <param name="imagePath">The image it was about; null where it was about none.</param>
    /// <param name="log">criu's log; null where it wrote none.</param>
    /// <param name="lines">criu's error lines.</param>
    internal static CracException Explain(string operation, int? processId, string? imagePath, string? log, IReadOnlyList<string> lines)
    {
        (Row? row, Match? match) = Find(operation, lines);
        string message;
        if (row is not null)
        {
            message = Fill(row.Message, match!);
        }
        else
        {
            message = lines.Count == 0
                ? $"criu failed the {operation} without saying why."
                : $"criu failed the {operation}: {lines[0]}";
        }

        string? advice = row is not null ? Fill(row.Advice, match!) : log is null ? null : $"Read criu's log: {log}";
        return new CracException(row?.Reason ?? CracReason.Unknown, message, advice)
        {
            Operation = operation, ProcessId = processId, ImagePath = imagePath, LogPath = log, CriuLines = lines,
        };
    }

    private static (Row? Row, Match? Match) Find(string operation, IReadOnlyList<string> lines)
    {
        foreach (Row row in Rows)
        {
            if (row.Operation is not null && row.Operation != operation)
            {
                continue;
            }

            foreach (string line in lines)
            {
                Match match = row.Pattern.Match(line);
                if (match.Success)
                {
                    return (row, match);
                }
            }
        }

        return (null, null);
    }

    private static string Fill(string text, Match match)
    {
        foreach (Group group in match.Groups)
        {
            text = text.Replace($"{{{group.Name}}}", group.Value, StringComparison.Ordinal);
        }

        return text;
    }

    [GeneratedRegex(@"Can't fork for (?<pid>\d+): File exists|Pid (?<pid>\d+) do(es)? not match expected|clone3? .*\b(?<pid>\d+)\b.*EEXIST")]
    private static partial Regex PidTaken();

    [GeneratedRegex(@"Connected TCP socket, consider using --tcp-established|Connected TCP socket")]
    private static partial Regex ConnectedTcp();

    [GeneratedRegex(@"Connected TCP socket in image|tcp.*consider using.*--tcp-established", RegexOptions.IgnoreCase)]
    private static partial Regex TcpNeedsOption();

    [GeneratedRegex(@"Found dangling tty|shell-job|A session leader of .* is outside|session leader.*outside")]
    private static partial Regex Terminal();

    [GeneratedRegex(@"Don't have tty to inherit session from|Standard stream is not a terminal")]
    private static partial Regex NoTerminal();

    [GeneratedRegex(@"Some file locks are hold by dumping tasks|file-locks option|Unsupported lease|leases")]
    private static partial Regex Locks();

    [GeneratedRegex(@"File (?<file>.+) has bad size (?<size>\d+) \(expect (?<expected>\d+)\)")]
    private static partial Regex FileSize();

    [GeneratedRegex(@"File (?<file>.+) has bad mode")]
    private static partial Regex FileMode();

    [GeneratedRegex(@"File (?<file>.+) has bad build-ID|Build-ID .* (?<file>/\S+)")]
    private static partial Regex FileBuildId();

    [GeneratedRegex(@"Can't open file (?<file>.+) on restore: No such file|Can't open (?<file>/.+): No such file or directory|Can't open .*(?<file>/\S+) on restore: No such file")]
    private static partial Regex FileGone();

    [GeneratedRegex(@"Can't dump ghost file (?<file>.+) of \d+ size")]
    private static partial Regex GhostTooLarge();

    [GeneratedRegex(@"link-remap")]
    private static partial Regex NeedsLinkRemap();

    [GeneratedRegex(@"External socket is used|unix socket.*external|ext-unix-sk|Can't dump half of stream unix connection")]
    private static partial Regex UnixPeer();

    [GeneratedRegex(@"bind.*: Address already in use|Can't bind .*Address already in use|listen.*Address already in use")]
    private static partial Regex AddressInUse();

    [GeneratedRegex(@"Cannot assign requested address")]
    private static partial Regex AddressMissing();

    [GeneratedRegex(@"already being traced|seize.*: Operation not permitted|is traced by|ptrace.*Operation not permitted")]
    private static partial Regex Traced();

    [GeneratedRegex(@"Can't dump a pid namespace without the process init")]
    private static partial Regex PidNamespace();

    [GeneratedRegex(@"Can't dump nested user|user namespace.*(unsupported|outside)|userns.*Can't")]
    private static partial Regex UserNamespace();

    [GeneratedRegex(@"bpf", RegexOptions.IgnoreCase)]
    private static partial Regex Bpf();

    [GeneratedRegex(@"Can't dump file (?<fd>\d+) of that type \[\d+\] \((?<what>.+?)\)")]
    private static partial Regex UnsupportedFile();

    [GeneratedRegex(@"send_fds failed \(-22\)|Can't send fd .*-22")]
    private static partial Regex SendFds();

    [GeneratedRegex(@"SysVIPC|Task \d+ with SysVIPC shmem map")]
    private static partial Regex SysVIpc();

    [GeneratedRegex(@"Pid-reuse detection failed")]
    private static partial Regex PidReuse();

    [GeneratedRegex(@"dirty track|Tracking memory is not available|kerndat.*soft-dirty|Memory tracking")]
    private static partial Regex NoDirtyTracking();

    [GeneratedRegex(@"No space left on device|Disk quota exceeded")]
    private static partial Regex NoSpace();

    [GeneratedRegex(@"Timeout reached|Unable to freeze|freeze.*timed? ?out", RegexOptions.IgnoreCase)]
    private static partial Regex Freeze();

    [GeneratedRegex(@"seize.*No such process|SEIZE \d+: can't interrupt task: No such process|Can't open .*/proc/\d+.*No such file|No such process")]
    private static partial Regex NoProcess();

    [GeneratedRegex(@"cpu.*(capabilit|features?).*(not supported|incompatible|do(es)? not match|missing)|CPU (instruction|fpu) capabilities do not match", RegexOptions.IgnoreCase)]
    private static partial Regex Cpu();

    [GeneratedRegex(@"Can't open (?<file>[\w.-]+\.img|\w+): No such file|Unable to open (?<file>[\w.-]+\.img).*No such file|No (?<file>[\w.-]+\.img) (image|file)")]
    private static partial Regex ImageFileMissing();

    [GeneratedRegex(@"Unexpected EOF|unexpected end of|Image file.*truncated|read \d+ bytes? expected|Can't read .* from image|Short read", RegexOptions.IgnoreCase)]
    private static partial Regex ImageCut();

    [GeneratedRegex(@"Magic doesn't match|Bad image magic|Head magic doesn't match|magic (mismatch|number)|Unknown image magic", RegexOptions.IgnoreCase)]
    private static partial Regex BadMagic();

    [GeneratedRegex(@"Failed unpacking object|PB.*unpack|protobuf", RegexOptions.IgnoreCase)]
    private static partial Regex BadEntry();

    [GeneratedRegex(@"iptables|nftables|Locking network failed|Network is unreachable for lock|Can't lock TCP connection|network lock", RegexOptions.IgnoreCase)]
    private static partial Regex NetworkLock();

    [GeneratedRegex(@"(unrecognized|unknown|invalid) option (-- )?'?(?<option>[^'\s]+)|Invalid value for (?<option>--[a-z-]+: \S+)|Unsupported configuration file format(?<option>)|option '(?<option>[^']+)'")]
    private static partial Regex BadOption();

    [GeneratedRegex(@"Can't get rlimit")]
    private static partial Regex OtherUsersLimits();

    [GeneratedRegex(@"(?<what>CRIU needs .*|.*(CAP_[A-Z_]+).*|.*(Operation not permitted|Permission denied).*)")]
    private static partial Regex Capabilities();
}
