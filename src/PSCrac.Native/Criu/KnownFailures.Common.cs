namespace PSCrac.Criu;

internal static partial class KnownFailures
{
    private static readonly Row[] CommonRows =
    [
        new("no space", @"No space left on device|Disk quota exceeded", CracReason.NoSpace,
            "No space is left on the file system that the image is written to.",
            "Free some, or give -ImagePath on another file system."),
        new("network lock", @"Locking network failed|Iptables configuration failed|Failed to lock TCP connection", CracReason.ProgramMissing,
            "criu could not block packets to the process: it needs iptables or nftables for that.",
            "Leave out -NoAutoOption and 'network-lock'; Test-CracEnvironment shows what is missing for the network lock."),
        new("loopback down", @"Unable to connect a socket: (Network is unreachable|No route to host)", CracReason.AddressUnavailable,
            "criu could not connect to 127.0.0.1, by which it probes the kernel: the loopback interface of its network namespace is down.",
            "Bring it up: ip link set lo up."),
        new("no ip", @"IP tool failed on", CracReason.ProgramMissing,
            "criu could not read or set the addresses and routes of the network namespace: it runs ip for that.",
            "Install the package iproute2 (on Fedora and RHEL: iproute)."),
        new("no tar", @"Can't (dump|restore) tmpfs content", CracReason.ProgramMissing,
            "criu could not read or write the files of a tmpfs: it runs tar and gzip for that.",
            "Install the packages tar and gzip, and make sure that the disk has space."),
        new("unknown option", @"unrecognized option '--(?<option>[^']+)'", CracReason.OptionRefused,
            "criu has no option '{option}'.",
            "Check the names in -CriuOption, and in the files that criu.conf(5) names, against criu --help."),
        new("option without value", @"option '--(?<option>[^']+)' requires an argument", CracReason.OptionRefused,
            "criu's option '{option}' needs a value.",
            "Give it one: -CriuOption @{ '{option}' = 'value' }."),
        new("option value", @"Invalid value for --(?<option>[^:]+): (?<value>.+)", CracReason.OptionRefused,
            "criu's option '{option}' does not take the value '{value}'.",
            "criu --help lists the values that it takes."),
        new("configuration file", @"Unsupported configuration file format", CracReason.OptionRefused,
            "A configuration file of criu is not valid (criu.conf(5)).",
            "Correct /etc/criu/default.conf or ~/.criu/default.conf: one option per line, and every quote closed."),
        new("not root", @"Running as non-root requires", CracReason.PermissionDenied,
            "Without root, criu works only with its option unprivileged.",
            "Run as root, or add -CriuOption @{ unprivileged = $true }; without -NoAutoOption it is chosen automatically."),
        new("no capability", @"needs to have the CAP_SYS_ADMIN or the CAP_CHECKPOINT_RESTORE", CracReason.PermissionDenied,
            "criu does not run as root, and lacks the capability CAP_CHECKPOINT_RESTORE.",
            "Run this session as root (sudo pwsh), or give criu the capability with sudo setcap cap_checkpoint_restore+eip (Get-Command criu).Source, and try again."),
        new("privilege", @"Error \([^)]+\): (?<what>.+: (Operation not permitted|Permission denied))", CracReason.PermissionDenied,
            "criu lacks a privilege: {what}.",
            "Run as root, or grant what Test-CracEnvironment names; an immutable file (lsattr) stops root too."),
    ];
}
