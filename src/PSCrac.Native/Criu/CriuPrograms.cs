using PSCrac.Images.Storage;

namespace PSCrac.Criu;

/// <summary>
/// The programs that criu runs, which it finds on the PATH that PSCrac gives it, and those that PSCrac runs. A PATH without the system administration folders
/// (su without a dash, cron) is extended by them.
/// </summary>
internal static class CriuPrograms
{
    private const string PathVariable = "PATH";

    // Debian's package names, and those of other distributions if they differ.
    private static readonly (string Program, string Package)[] s_packages =
    [
        ("ip", "iproute2 (on Fedora and RHEL: iproute)"),
        ("iptables", "iptables"),
        ("ip6tables", "iptables"),
        ("tar", "tar"),
        ("gzip", "gzip"),
        ("sh", "dash"),
        ("age", "age"),
        ("skopeo", "skopeo"),
    ];

    /// <summary>The system's program folders, searched in addition to the PATH. Tests of missing programs replace them.</summary>
    internal static IReadOnlyList<string> SystemFolders { get; set; } = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

    /// <summary>The PATH of criu: as root, without the folders that someone else may change.</summary>
    internal static string SearchPath() => string.Join(':', FileTrust.Select(AllFolders()));

    /// <summary>The folders that are not on that PATH, and why; none if this process is not root.</summary>
    internal static IEnumerable<(string Folder, string Why, string Command)> FindLeftOut()
    {
        foreach (string folder in FileTrust.Applies ? AllFolders() : [])
        {
            if (!Path.IsPathRooted(folder))
            {
                yield return (folder, "it is relative", $"take '{folder}' out of the PATH");
            }
            else if (FileTrust.Find(folder) is { } access)
            {
                yield return (folder, access.Why, access.Command);
            }
        }
    }

    private static IEnumerable<string> AllFolders() =>
        (Environment.GetEnvironmentVariable(PathVariable) ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries).Union(SystemFolders);

    /// <summary>The path of a program that criu would run; null if there is none.</summary>
    /// <param name="program">Its name.</param>
    /// <param name="root">The prefix of paths in criu's root file system: empty for the caller's, otherwise such as /proc/PID/root.</param>
    /// <exception cref="CracException"><see cref="CracReason.FileNotTrusted"/>: as root, someone else may change the program.</exception>
    internal static string? Find(string program, string root = "")
    {
        // criu runs the program that this variable names instead of ip (run_ip_tool in its net.c).
        if (program == "ip" && Environment.GetEnvironmentVariable("CR_IP_TOOL") is { Length: > 0 } named)
        {
            program = named;
        }

        foreach (string folder in SearchPath().Split(':'))
        {
            string candidate = Path.Combine(folder, program);
            if (IsProgram(root + candidate))
            {
                if (root.Length == 0)
                {
                    FileTrust.Require(candidate, $"The program {program} at", "take its folder out of the PATH");
                }

                return candidate;
            }
        }

        return null;
    }

    /// <summary>The first missing program; null if all were found.</summary>
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

    /// <summary>The recommended action for a missing program.</summary>
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

    // The ip and tar of BusyBox lack what criu needs (ip address save, tar --no-unquote).
    private static bool IsProgram(string path)
    {
        const UnixFileMode Any = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        try
        {
            var file = new FileInfo(path);
            string? target = file.LinkTarget;
            if (target is not null && Path.IsPathRooted(target) && path.StartsWith("/proc/", StringComparison.Ordinal))
            {
                // An absolute link in another root file system resolves to another file from here, so its target is not examined.
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
