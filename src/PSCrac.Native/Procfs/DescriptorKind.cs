namespace PSCrac.Procfs;

/// <summary>The kind of file of a descriptor.</summary>
internal enum DescriptorKind
{
    /// <summary>A kind that this version does not know; <see cref="ProcessDescriptor.Target"/> is the kernel's name.</summary>
    Other = 0,

    /// <summary>A regular file.</summary>
    RegularFile,

    /// <summary>A directory.</summary>
    Directory,

    /// <summary>A symbolic link that was opened with O_PATH.</summary>
    SymbolicLink,

    /// <summary>A named FIFO.</summary>
    Fifo,

    /// <summary>An anonymous pipe.</summary>
    Pipe,

    /// <summary>A socket of any family.</summary>
    Socket,

    /// <summary>A terminal: a pseudo-terminal's slave, a console, a serial line, or /dev/tty.</summary>
    Terminal,

    /// <summary>A pseudo-terminal's master, opened from ptmx.</summary>
    TerminalMaster,

    /// <summary>A character device that is not a terminal.</summary>
    CharacterDevice,

    /// <summary>A block device.</summary>
    BlockDevice,

    /// <summary>A memory file of memfd_create(2), or shared memory without a name, opened through /proc/PID/map_files; both are the kernel's own tmpfs.</summary>
    MemoryFile,

    /// <summary>A namespace, such as net:[4026531840].</summary>
    Namespace,

    /// <summary>eventfd(2).</summary>
    Event,

    /// <summary>epoll(7).</summary>
    EventPoll,

    /// <summary>signalfd(2).</summary>
    Signal,

    /// <summary>timerfd_create(2).</summary>
    Timer,

    /// <summary>inotify(7).</summary>
    Inotify,

    /// <summary>fanotify(7).</summary>
    Fanotify,

    /// <summary>A process, pidfd_open(2).</summary>
    ProcessHandle,

    /// <summary>io_uring(7).</summary>
    IoUring,

    /// <summary>A map of bpf(2).</summary>
    BpfMap,

    /// <summary>A bpf(2) object other than a map: a program, a link.</summary>
    BpfObject,

    /// <summary>perf_event_open(2).</summary>
    PerfEvent,

    /// <summary>userfaultfd(2).</summary>
    UserFault,

    /// <summary>A virtual machine or processor of KVM.</summary>
    VirtualMachine,

    /// <summary>A buffer shared with a device: dma-buf, sync_file and the like.</summary>
    DeviceBuffer,

    /// <summary>A seccomp notification channel, a fscontext, a mount not yet attached, or another of the kernel's anonymous inodes.</summary>
    Anonymous,
}
