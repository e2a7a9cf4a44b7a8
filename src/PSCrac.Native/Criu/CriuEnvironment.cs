using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using PSCrac.Procfs;

namespace PSCrac.Criu;

/// <summary>What this machine, its kernel, its criu and this process's privileges support.</summary>
internal static class CriuEnvironment
{
    private const string Everything = "every checkpoint and restore";

    // criu's own names of kernel features (criu/cr-check.c), with what needs them in PSCrac.
    private static readonly (string Feature, string NeededFor, string RecommendedAction)[] Features =
    [
        ("mem_dirty_track", "-TrackMemory, -ParentImage", "A kernel built with CONFIG_MEM_SOFT_DIRTY."),
        ("uffd-noncoop", "-LazyPages", "A kernel built with CONFIG_USERFAULTFD, 4.11 or later."),
        (CriuFeature.Compression, "-Compress, images that were made with it", "Install criu 4.3 or later that was built with LZ4 (CONFIG_LZ4). Debian's criu 4.3 is built without it."),
        ("network_lock_nftables", "the network lock without iptables", "A kernel with nftables (nf_tables, NFT_CT), and a criu built with libnftables."),
        ("clone3_set_tid", "restores without writing ns_last_pid", "Linux 5.5 or later."),
        ("pidfd_store", "incremental images that detect reused pids", "Linux 5.6 or later."),
        ("timens", "monotonic clocks that continue where they stopped", "A kernel built with CONFIG_TIME_NS, 5.6 or later."),
        ("userns", "processes in user namespaces", "A kernel built with CONFIG_USER_NS."),
        ("move_mount_set_group", "mount namespaces with shared mounts", "Linux 5.15 or later."),
        ("pagemap_scan", "faster dumps of large processes", "Linux 6.7 or later."),
        ("overlayfs_maps", "programs on overlayfs", "Linux 6.0 or later."),
    ];

    // capabilities(7), with their bit numbers.
    private static readonly (string Name, int Bit, bool IsRequired, string NeededFor)[] Capabilities =
    [
        ("CAP_SYS_ADMIN", 21, true, "everything but criu's unprivileged mode"),
        ("CAP_SYS_PTRACE", 19, true, "stopping and reading the processes"),
        ("CAP_NET_ADMIN", 12, false, "open connections and network namespaces"),
        ("CAP_SYS_RESOURCE", 24, false, "processes of other users, raised limits"),
        ("CAP_DAC_OVERRIDE", 1, false, "files of other users"),
        ("CAP_SETUID", 7, false, "processes of other users"),
    ];

    // The programs that criu runs, besides those of the network lock.
    private static readonly (string Program, string NeededFor)[] Programs =
    [
        ("ip", "network namespaces"),
        ("tar", "mount namespaces with a tmpfs"),
        ("gzip", "mount namespaces with a tmpfs"),
    ];

    /// <summary>Checks everything. Takes some tenths of a second: criu runs once for each feature.</summary>
    /// <param name="criuPath">The criu to check; null to search for it.</param>
    /// <param name="cancellation">Ends the examination.</param>
    internal static IReadOnlyList<CracCapability> Examine(string? criuPath = null, CancellationToken cancellation = default)
    {
        var rows = new List<CracCapability>();
        CriuInstallation? criu = AddInstallation(rows, criuPath);
        if (criu is not null)
        {
            AddCheck(rows, criu);
            AddFeatures(rows, criu, cancellation);
        }

        AddCapabilities(rows);
        AddNetworkLock(rows);
        AddPrograms(rows);
        rows.Add(DescribeCache());
        AddConfigurationFiles(rows);
        return rows;
    }

    private static CriuInstallation? AddInstallation(List<CracCapability> rows, string? criuPath)
    {
        try
        {
            var criu = CriuInstallation.Locate(criuPath);
            rows.Add(new CracCapability("criu", true, true, $"{criu.GetVersion()} at {criu.CriuPath} (from {criu.CriuSource})", Everything, null));
            rows.Add(new CracCapability("libcriu", true, true, $"{criu.LibCriuPath} (from {criu.LibCriuSource})", Everything, null));
            return criu;
        }
        catch (CracException e)
        {
            string name = e.Reason == CracReason.LibCriuNotFound ? "libcriu" : "criu";
            rows.Add(new CracCapability(name, false, true, e.Message, Everything, e.RecommendedAction));
            return null;
        }
    }

    private static void AddCheck(List<CracCapability> rows, CriuInstallation criu)
    {
        (int code, string output) = RunCheck(criu, []);
        rows.Add(new CracCapability(
            "criu check",
            code == 0,
            true,
            Summarize(output),
            Everything,
            code == 0 ? null : "Run as root, on a kernel with CONFIG_CHECKPOINT_RESTORE; 'criu check' names what else is missing."));
    }

    private static void AddFeatures(List<CracCapability> rows, CriuInstallation criu, CancellationToken cancellation)
    {
        var answers = new ConcurrentDictionary<string, (int Code, string Output)>(StringComparer.Ordinal);
        var options = new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount };
        Parallel.ForEach(Features, options, feature => answers[feature.Feature] = RunCheck(criu, ["--feature", feature.Feature]));
        foreach ((string feature, string neededFor, string recommendedAction) in Features)
        {
            (int code, string output) = answers[feature];
            rows.Add(new CracCapability(feature, code == 0, false, Summarize(output), neededFor, code == 0 ? null : recommendedAction));
        }
    }

    private static void AddCapabilities(List<CracCapability> rows)
    {
        ulong held = ProcessStatus.TryRead(Environment.ProcessId)?.EffectiveCapabilities ?? 0;
        foreach ((string name, int bit, bool isRequired, string neededFor) in Capabilities)
        {
            bool has = (held >> bit & 1) != 0;
            rows.Add(new CracCapability(
                name,
                has,
                isRequired,
                has ? "held by this process" : "not held by this process",
                neededFor,
                has ? null : Environment.IsPrivilegedProcess
                    ? $"Start this session with {name}; a container drops it unless it is told to keep it (--cap-add {name[4..]})."
                    : "Run this session as root, with sudo pwsh."));
        }
    }

    // The features were checked before, so there is a row for nftables.
    private static void AddNetworkLock(List<CracCapability> rows)
    {
        bool canUseNftables = rows.Exists(static row => row is { Name: NetworkLock.Feature, IsAvailable: true });
        string[] programs = [.. NetworkLock.IptablesPrograms(ofNamespace: true), .. NetworkLock.IptablesPrograms(ofNamespace: false)];
        string? missing = Array.Find(programs, static program => Find(program, out _) is null);
        bool canLock = canUseNftables || missing is null;
        rows.Add(new CracCapability(
            "network lock",
            canLock,
            false,
            canUseNftables ? "nftables is chosen; it needs no program"
                : missing is null ? $"iptables at {Find("iptables", out _)} is chosen; criu cannot use nftables here"
                : $"criu cannot use nftables here, and there is no {missing}",
            "-TcpEstablished, network namespaces",
            canLock ? null : CriuPrograms.DescribeInstallation(missing!)));
    }

    private static void AddPrograms(List<CracCapability> rows)
    {
        foreach ((string program, string neededFor) in Programs)
        {
            string? found = Find(program, out CracException? refusal);
            rows.Add(new CracCapability(
                program, found is not null, false, found ?? refusal?.Message ?? $"{program} was not found", neededFor,
                found is null ? refusal?.RecommendedAction ?? CriuPrograms.DescribeInstallation(program) : null));
        }
    }

    private static string? Find(string program, out CracException? refusal)
    {
        refusal = null;
        try
        {
            return CriuPrograms.Find(program);
        }
        catch (CracException e) when (e.Reason == CracReason.FileNotTrusted)
        {
            refusal = e;
            return null;
        }
    }

    /// <summary>Whether criu finds its feature cache at its next start.</summary>
    internal static CracCapability DescribeCache()
    {
        bool isAvailable = CriuFeatureCache.IsAvailable(out string detail);
        return new CracCapability("feature cache", isAvailable, false, detail, "fast starts of criu", isAvailable ? null : "Run Initialize-CracEnvironment, which creates it until the next boot.");
    }

    private static void AddConfigurationFiles(List<CracCapability> rows)
    {
        foreach ((string folder, string why, string command) in CriuPrograms.FindLeftOut())
        {
            rows.Add(new CracCapability(
                $"PATH: {folder}", false, false, $"left out of criu's PATH, since criu runs as root: {why}", "programs in that folder, if criu or a script of it runs them",
                $"Check that nobody has put a program there, then: {command}; or take the folder out of the PATH."));
        }

        if (CriuConfigFile.FindHome(out string? whyNot) is null && whyNot is not null)
        {
            rows.Add(new CracCapability(
                "HOME", false, false, $"{whyNot}: ~/.criu/default.conf has no effect", "options in ~/.criu/default.conf", "Start the session with the user's own HOME: sudo -H pwsh, or su -."));
        }

        foreach (string file in CriuConfigFile.FilesInEffect())
        {
            rows.Add(new CracCapability("criu configuration", true, false, $"{file} takes effect in every operation", "nothing", null));
        }
    }

    /// <summary>Runs criu check.</summary>
    internal static (int Code, string Output) RunCheck(CriuInstallation criu, IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(criu.CriuPath, ["check", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        CriuWorker.SetEnvironment(start);
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output + errors.Result);
        }
        catch (Win32Exception e)
        {
            return (-1, e.Message);
        }
    }

    private static string Summarize(string output)
    {
        IReadOnlyList<string> lines = CriuLog.SelectErrors(output);
        return lines.Count == 0 ? "not supported; criu gives no reason" : lines[^1];
    }
}
