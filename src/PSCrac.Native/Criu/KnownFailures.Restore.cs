namespace PSCrac.Criu;

internal static partial class KnownFailures
{
    // criu writes the paths of files without their leading slash.
    private static readonly Row[] OfRestores =
    [
        new("no iptables to restore to", @"Can't restore (?<program>ip6?tables) dump - no legacy version present", CracReason.ProgramMissing,
            "The image holds {program} rules, and there is no {program}-legacy-restore here to put them back.",
            "Install the package iptables."),

        new("bounding set", @"Unable to drop capability (?<number>\d+)", CracReason.PermissionDenied,
            "The processes could never get the capability {number} (capabilities(7)), and criu, which is not run by root, has not got CAP_SETPCAP to see to that again.",
            "Run this session as root (sudo pwsh), or give criu both capabilities with sudo setcap 'cap_checkpoint_restore,cap_setpcap+eip' (Get-Command criu).Source, and try again."),
        new("pid taken", @"Can't fork for (?<pid>\d+): File exists|Pid \d+ do not match expected (?<pid>\d+)", CracReason.PidInUse,
            "The process id {pid} of the image is taken, by a process, a thread, or as the id of a session or a process group.",
            "Add -PidNamespace Auto to restore beside its owner; or free it with Stop-Process -Id {pid}, or raise -PidTimeout."),

        // Sockets and terminals.
        new("connected tcp socket in image", @"Connected TCP socket in image", CracReason.TcpConnectionOpen,
            "The image holds an open TCP connection.",
            "Add -TcpEstablished to take it up again, or -TcpClose to let the process find it closed."),
        new("unix peer gone", @"Can't connect \d+ socket: (Connection refused|No such file or directory)", CracReason.UnixSocketExternal,
            "What a unix socket of the image was connected to, outside its tree, is not there.",
            "Start what listens there before the restore."),
        new("address in use", @"Can't bind inet socket \(id \d+\): Address already in use", CracReason.AddressUnavailable,
            "An address that the image's sockets were bound to is in use.",
            "Stop what listens there; ss -ltnp shows what it is."),
        new("address not here", @"Can't bind inet socket \(id \d+\): Cannot assign requested address", CracReason.AddressUnavailable,
            "An address that the image's sockets were bound to does not exist on this host.",
            "Add the address to an interface (ip address add ADDRESS dev lo), or bind to 0.0.0.0 or [::] before the checkpoint."),
        new("unix address in use", @"Can't bind id \S+ ino \d+ addr (?<address>.+): Address already in use", CracReason.AddressUnavailable,
            "Something is in the way of the unix socket {address} of the image.",
            "Remove it, or stop the program that listens there."),
        new("unix folder missing", @"Can't bind id \S+ ino \d+ addr (?<address>.+): No such file or directory", CracReason.FileMissing,
            "The folder of the unix socket {address} of the image is not there.",
            "Make the folder again."),
        new("no terminal to restore to", @"Don't have tty to inherit session from", CracReason.TerminalAttached,
            "The image's processes had a terminal, and there is none here to give them.",
            "Restore from an interactive terminal, or give its streams files with -StandardInputPath, -StandardOutputPath and -StandardErrorPath."),

        // Files.
        new("file size", @"File (?<file>.+) has bad size (?<size>\d+) \(expect (?<expected>\d+)\)", CracReason.FileChanged,
            "The file /{file} has {size} bytes, where the image expects {expected}.",
            "Where it is data that has only grown, add -ReopenGrownFile; else put it back as it was, or name another with -ReplaceFile; a changed program or library wants the version that was running, or a new checkpoint."),
        new("file mode", @"File (?<file>.+) has bad mode (?<mode>\d+) \(expect (?<expected>\d+)\)", CracReason.FileChanged,
            "The file /{file} has the mode {mode}, where the image expects {expected}.",
            "Set it back with chmod, or add -CriuOption @{ 'skip-file-rwx-check' = $true }."),
        new("file of another build", @"File (?<file>.+) has bad build-ID", CracReason.FileChanged,
            "The file /{file} is another build than at the checkpoint.",
            "Put back the program or library that the image was made with."),
        new("file missing", @"Can't open file (?<file>.+) on restore: No such file or directory", CracReason.FileMissing,
            "The file or folder /{file} is not there.",
            "Put it back where it was at the checkpoint, or name another with -ReplaceFile."),
        new("file of another kind", @"Can't open file (?<file>.+) on restore: (Is a directory|Not a directory|Too many levels of symbolic links)", CracReason.FileChanged,
            "What is at /{file} is of another kind than at the checkpoint.",
            "Put the file back as it was, or name another with -ReplaceFile."),
        new("fifo missing", @"Can't open fake fifo \S+ \[(?<file>.+)\]: No such file or directory", CracReason.FileMissing,
            "The named pipe /{file} is not there.",
            "Make it again with mkfifo /{file}, and restore again."),
        new("watched path missing", @"fsnotify: Unable to open (?<path>/.*): (No such file or directory|Not a directory)", CracReason.FileMissing,
            "The image's processes watched {path} with inotify or fanotify, and it is not there.",
            "Put it back, or make an empty folder in its place, which is enough for criu."),
        new("image used up", @"Can't link \S*link_remap\.\d+ -> (?<file>.+): No such file or directory", CracReason.ImageConsumed,
            "The helper link for /{file} is gone: an image made with -LinkRemap can be restored once, and one made with -LeaveRunning too never.",
            "Make a new image."),
        new("lazy reservation", @"Unable to map ANON_VMA: Cannot allocate memory", CracReason.ResourceUnsupported,
            "The process has reserved more memory than there is, and a lazy restore maps that as if it were used.",
            "Leave out -LazyPages, or have the kernel promise more than it has: sysctl vm.overcommit_memory=1."),
        new("page daemon", @"connect to lazy-pages\.socket failed", CracReason.FileMissing,
            "No page daemon answers this restore.",
            "Try again, or leave out -LazyPages."),

        // The image itself.
        new("image without ids", @"No IDS for root task", CracReason.ImageIncomplete,
            "The image lacks the file with its root's ids (ids-PID.img).",
            "Copy the image again, all of its files; Get-CracImage shows what is readable of it."),
        new("image file missing", @"Unexpected EOF on \(empty-image\)", CracReason.ImageIncomplete,
            "A file of the image is missing.",
            "Copy the image again, all of its files; Test-CracImage tells which is not there."),
        new("image cut short", @"Unexpected EOF on \S+|Read \d+ bytes while \d+ expected (on|from) |Can't read pages data", CracReason.ImageIncomplete,
            "A file of the image is cut short or missing.",
            "Copy the image again, or make a new one; Test-CracImage tells which file it is."),
        new("bad magic", @"[Mm]agic doesn't match for (?<file>\S+)", CracReason.ImageCorrupt,
            "The image's file {file} does not hold what its name says.",
            "Copy the image again, or make a new one."),
        new("bad entry", @"Failed unpacking object \S+ from (?<file>\S+)", CracReason.ImageCorrupt,
            "An entry of the image's file {file} cannot be read.",
            "Copy the image again, or make a new one."),
        new("image version", @"Not supported images version (?<version>\d+)", CracReason.ImageCorrupt,
            "The image is of version {version} of criu's format, which this criu does not know.",
            "Restore it with the criu that made it, or a later one."),
        new("plugin", @"Missing required plugin: (?<plugin>\S+)", CracReason.ResourceUnsupported,
            "The image was made with criu's plugin {plugin}, which is not here.",
            "Install the plugin (criu-amdgpu-plugin, criu-cuda-plugin), or name its folder with -CriuOption @{ libdir = '/folder' }.")
        {
            NotReproducedHere = "criu/image.c: needs an image made with a GPU and its plugin",
        },
        new("image with mounts", @"The --root option is required to restore a mount namespace", CracReason.NamespaceUnsupported,
            "The image holds a mount namespace of its own, as a container's does.",
            "Restore it with the container engine that it came from, or name its root with -CriuOption @{ root = '/folder' }.")
        {
            NotReproducedHere = "criu/mount.c: needs a container's mount namespace",
        },
        new("cgroup missing", @"Cgroup dir (?<folder>.+) doesn't exist", CracReason.FileMissing,
            "The cgroup {folder} that the image's processes were in is not there.",
            "Make it, or leave manage-cgroups out of -CriuOption.")
        {
            NotReproducedHere = "criu/cgroup.c: needs a cgroup hierarchy that a test may write to",
        },
        new("cpu", @"CPU (instruction )?capabilities do not match run time|FPU feature required by image|CPU xsave (max )?size mismatch|CPU xfeatures has unsupported bits", CracReason.CpuIncompatible,
            "This CPU lacks features that the image's processes may use.",
            "Restore on a CPU like the one the image was made on, or add -CriuOption @{ 'cpu-cap' = 'none' } at your own risk.")
        {
            NotReproducedHere = "criu/arch/x86/cpu.c: needs a second model of CPU",
        },
        new("crash", @"(?<pid>\d+) killed by signal 11\b", CracReason.ImageIncomplete,
            "criu crashed while it restored process {pid}, as it does where files of the image are missing.",
            "Copy the image again, all of its files; Test-CracImage tells which is not there."),
    ];
}
