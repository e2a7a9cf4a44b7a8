namespace PSCrac.Criu;

internal static partial class KnownFailures
{
    // criu logs the paths of files without their leading slash.
    private static readonly Row[] RestoreRows =
    [
        new("no iptables to restore to", @"Can't restore (?<program>ip6?tables) dump - no legacy version present", CracReason.ProgramMissing,
            "The image holds {program} rules, and {program}-legacy-restore, which restores them, is missing here.",
            "Install the package iptables."),

        new("bounding set", @"Unable to drop capability (?<number>\d+)", CracReason.PermissionDenied,
            "Capability {number} is not in the bounding set of the processes (capabilities(7)), and criu, which does not run as root, lacks CAP_SETPCAP to drop it again.",
            "Run this session as root (sudo pwsh), or give criu both capabilities with sudo setcap 'cap_checkpoint_restore,cap_setpcap+eip' (Get-Command criu).Source, and try again."),
        new("pid taken", @"Can't fork for (?<pid>\d+): File exists|Pid \d+ do not match expected (?<pid>\d+)", CracReason.PidInUse,
            "The process id {pid} of the image is in use by a process or a thread, or as the id of a session or a process group.",
            "Add -PidNamespace Auto to restore beside its owner; or free it with Stop-Process -Id {pid}, or raise -PidTimeout."),

        // Sockets and terminals.
        new("connected tcp socket in image", @"Connected TCP socket in image", CracReason.TcpConnectionOpen,
            "The image holds an open TCP connection.",
            "Add -TcpEstablished to keep it, or -TcpClose to let the process find it closed."),
        new("unix peer gone", @"Can't connect \d+ socket: (Connection refused|No such file or directory)", CracReason.UnixSocketExternal,
            "A unix socket of the image was connected to a socket outside its tree, which does not exist here.",
            "Start the program that listens there before the restore."),
        new("address in use", @"Can't bind inet socket \(id \d+\): Address already in use", CracReason.AddressUnavailable,
            "An address that the image's sockets were bound to is in use.",
            "Stop the program that listens there; ss -ltnp shows which one it is."),
        new("address not here", @"Can't bind inet socket \(id \d+\): Cannot assign requested address", CracReason.AddressUnavailable,
            "An address that the image's sockets were bound to does not exist on this host.",
            "Add the address to an interface (ip address add ADDRESS dev lo), or bind to 0.0.0.0 or [::] before the checkpoint."),
        new("abstract unix name in use", @"Can't bind id \S+ ino \d+ addr : Address already in use", CracReason.AddressUnavailable,
            "An abstract name of a unix socket of the image is in use.",
            "Stop the program that has it; ss -xlp shows which one it is."),
        new("unix address in use", @"Can't bind id \S+ ino \d+ addr (?<address>.+): Address already in use", CracReason.AddressUnavailable,
            "The address {address} of a unix socket of the image is in use.",
            "Remove it, or stop the program that listens there."),
        new("unix folder missing", @"Can't bind id \S+ ino \d+ addr (?<address>.+): No such file or directory", CracReason.FileMissing,
            "The folder of the unix socket {address} of the image does not exist.",
            "Create the folder."),
        new("no terminal to restore to", @"Don't have tty to inherit session from", CracReason.TerminalAttached,
            "The image's processes had a terminal, and this session has none to give them.",
            "Restore from an interactive terminal, or use files as its streams with -StandardInputPath, -StandardOutputPath and -StandardErrorPath."),

        // Files.
        new("file size", @"File (?<file>.+) has bad size (?<size>\d+) \(expect (?<expected>\d+)\)", CracReason.FileChanged,
            "The file /{file} has {size} bytes, but the image expects {expected}.",
            "If it is data that has only grown, add -ReopenGrownFile; otherwise put the original file back, or use another one with -ReplaceFile; a changed program or library needs the version that was running, or a new checkpoint."),
        new("file mode", @"File (?<file>.+) has bad mode (?<mode>\d+) \(expect (?<expected>\d+)\)", CracReason.FileChanged,
            "The file /{file} has the mode {mode}, but the image expects {expected}.",
            "Set it back with chmod, or add -CriuOption @{ 'skip-file-rwx-check' = $true }."),
        new("file of another build", @"File (?<file>.+) has bad build-ID", CracReason.FileChanged,
            "The file /{file} is another build than at the checkpoint.",
            "Install the version of the program or library that the image was made with."),
        new("file missing", @"Can't open file (?<file>.+) on restore: No such file or directory", CracReason.FileMissing,
            "The file or folder /{file} does not exist.",
            "Put it back where it was at the checkpoint, or use another one with -ReplaceFile."),
        new("file of another kind", @"Can't open file (?<file>.+) on restore: (Is a directory|Not a directory|Too many levels of symbolic links)", CracReason.FileChanged,
            "/{file} is of another kind than at the checkpoint.",
            "Put the original file back, or use another one with -ReplaceFile."),
        new("fifo missing", @"Can't open fake fifo \S+ \[(?<file>.+)\]: No such file or directory", CracReason.FileMissing,
            "The named pipe /{file} does not exist.",
            "Create it with mkfifo /{file}, and restore again."),
        new("watched path missing", @"fsnotify: Unable to open (?<path>/.*): (No such file or directory|Not a directory)", CracReason.FileMissing,
            "The image's processes watched {path} with inotify or fanotify, and it does not exist.",
            "Put it back, or create an empty folder in its place, which is enough for criu."),
        new("image used up", @"Can't link \S*link_remap\.\d+ -> (?<file>.+): No such file or directory", CracReason.ImageConsumed,
            "The helper link for /{file} is missing: an image made with -LinkRemap can be restored only once, and one made with -LeaveRunning as well never.",
            "Make a new image."),
        new("lazy reservation", @"Unable to map ANON_VMA: Cannot allocate memory", CracReason.ResourceUnsupported,
            "The process has reserved more memory than this machine has, and a lazy restore maps reserved memory as if it were in use.",
            "Leave out -LazyPages, or let the kernel overcommit memory: sysctl vm.overcommit_memory=1."),
        new("page daemon", @"connect to lazy-pages\.socket failed", CracReason.FileMissing,
            "No page daemon answers this restore.",
            "Try again, or leave out -LazyPages."),

        // The image itself.
        new("image without ids", @"No IDS for root task", CracReason.ImageIncomplete,
            "The image lacks the file with its root's ids (ids-PID.img).",
            "Copy all files of the image again; Get-CracImage shows what can be read of it."),
        new("image file missing", @"Unexpected EOF on \(empty-image\)", CracReason.ImageIncomplete,
            "A file of the image is missing.",
            "Copy all files of the image again; Test-CracImage shows which one is missing."),
        new("image cut short", @"Unexpected EOF on \S+|Read \d+ bytes while \d+ expected (on|from) |Can't read pages data", CracReason.ImageIncomplete,
            "A file of the image is cut short or missing.",
            "Copy the image again, or make a new one; Test-CracImage shows which file it is."),
        new("bad magic", @"[Mm]agic doesn't match for (?<file>\S+)", CracReason.ImageCorrupt,
            "The image's file {file} does not have the content that its name says.",
            "Copy the image again, or make a new one."),
        new("bad entry", @"Failed unpacking object \S+ from (?<file>\S+)", CracReason.ImageCorrupt,
            "An entry of the image's file {file} cannot be read.",
            "Copy the image again, or make a new one."),
        new("image version", @"Not supported images version (?<version>\d+)", CracReason.ImageCorrupt,
            "The image has version {version} of criu's format, which this criu does not support.",
            "Restore it with the criu that made it, or a later one."),
        new("plugin", @"Missing required plugin: (?<plugin>\S+)", CracReason.ResourceUnsupported,
            "The image was made with criu's plugin {plugin}, which is not installed here.",
            "Install the plugin (criu-amdgpu-plugin, criu-cuda-plugin), or name its folder with -CriuOption @{ libdir = '/folder' }.")
        {
            NotReproducedBecause = "criu/image.c: needs an image made with a GPU and its plugin",
        },
        new("image with mounts", @"The --root option is required to restore a mount namespace", CracReason.NamespaceUnsupported,
            "The image holds a mount namespace of its own, as a container's does.",
            "Restore it with the container engine that it came from, or name its root with -CriuOption @{ root = '/folder' }.")
        {
            NotReproducedBecause = "criu/mount.c: needs a container's mount namespace",
        },
        new("cgroup missing", @"Cgroup dir (?<folder>.+) doesn't exist", CracReason.FileMissing,
            "The cgroup {folder} that the image's processes were in does not exist.",
            "Create it, or leave manage-cgroups out of -CriuOption.")
        {
            NotReproducedBecause = "criu/cgroup.c: needs a cgroup hierarchy that a test may write to",
        },
        new("cpu", @"CPU (instruction )?capabilities do not match run time|FPU feature required by image|CPU xsave (max )?size mismatch|CPU xfeatures has unsupported bits", CracReason.CpuIncompatible,
            "This CPU lacks features that the image's processes may use.",
            "Restore on a CPU like the one the image was made on, or add -CriuOption @{ 'cpu-cap' = 'none' } at your own risk.")
        {
            NotReproducedBecause = "criu/arch/x86/cpu.c: needs a second model of CPU",
        },
        new("crash", @"(?<pid>\d+) killed by signal 11\b", CracReason.ImageIncomplete,
            "criu crashed while it restored process {pid}, which happens if files of the image are missing.",
            "Copy all files of the image again; Test-CracImage shows which one is missing."),
    ];
}
