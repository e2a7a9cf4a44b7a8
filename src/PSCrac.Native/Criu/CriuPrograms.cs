namespace PSCrac.Criu;

/// <summary>
/// The programs that criu runs, which it finds on the PATH that it has from us. A PATH without the folders of the system's
/// administration (su without a dash, cron) gets them behind its own.
/// </summary>
internal static class CriuPrograms
{
    private const string PathVariable = "PATH";

    // Debian's packages, and where others call them otherwise, theirs.
    private static readonly (string Program, string Package)[] s_packages =
    [
        ("ip", "iproute2 (on Fedora and RHEL: iproute)"),
        ("iptables", "iptables"),
        ("ip6tables", "iptables"),
        ("tar", "tar"),
        ("gzip", "gzip"),
        ("sh", "dash"),
    ];

    /// <summary>Where a system has its programs, whatever the PATH says. A test of what is missing sets others.</summary>
    internal static IReadOnlyList<string> SystemFolders { get; set; } = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

    /// <summary>The PATH that criu has.</summary>
    internal static string SearchPath()
    {
        List<string> folders = [.. (Environment.GetEnvironmentVariable(PathVariable) ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries)];
        foreach (string folder in SystemFolders)
        {
            if (!folders.Contains(folder))
            {
                folders.Add(folder);
            }
        }

        return string.Join(':', folders);
    }

    /// <summary>Where a program is that criu would run; null where there is none.</summary>
    /// <param name="program">Its name.</param>
    /// <param name="root">What stands in front of paths where criu runs: empty for our own files, else such as /proc/PID/root.</param>
    internal static string? Find(string program, string root = "")
    {
        // criu runs what this names in the place of ip (run_ip_tool in its net.c).
        if (program == "ip" && Environment.GetEnvironmentVariable("CR_IP_TOOL") is { Length: > 0 } named)
        {
            program = named;
        }

        foreach (string folder in SearchPath().Split(':'))
        {
            string candidate = Path.Combine(folder, program);
            if (IsProgram(root + candidate))
            {
                return candidate;
            }
        }

        return null;
    }

    /// <summary>The first of some programs that is not there; null where all are.</summary>
    internal static string? FindMissing(IEnumerable<string> programs, string root = "")
    {
        foreach (string program in programs)
        {
            if (Find(program, root) is null)
            {
                return program;
            }
        }

        return null;
    }

    /// <summary>What to do where a program is missing.</summary>
    internal static string DescribeInstallation(string program)
    {
        foreach ((string name, string package) in s_packages)
        {
            // iptables-save, iptables-legacy-restore and the like come with iptables.
            if (program == name || program.StartsWith(name + "-", StringComparison.Ordinal))
            {
                return $"Install the package {package}.";
            }
        }

        return $"Install the package that has {program}.";
    }

    // BusyBox has an ip and a tar that do not know what criu asks of them (ip address save, tar --no-unquote).
    private static bool IsProgram(string path)
    {
        const UnixFileMode Any = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        try
        {
            var file = new FileInfo(path);
            string? target = file.LinkTarget;
            if (target is not null && Path.IsPathRooted(target) && path.StartsWith("/proc/", StringComparison.Ordinal))
            {
                // An absolute link of another root leads elsewhere from here; what it leads to is not looked at.
                return !IsBusyBox(target);
            }

            return file.Exists
                && (file.UnixFileMode & Any) != 0
                && !(target is not null && file.ResolveLinkTarget(returnFinalTarget: true) is { } final && IsBusyBox(final.Name));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool IsBusyBox(string path) => Path.GetFileName(path) is "busybox" or "toybox";
}
