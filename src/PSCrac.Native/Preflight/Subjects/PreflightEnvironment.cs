using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Preflight.Subjects;

/// <summary>The side that checkpoints or restores: its privileges, and what criu can use.</summary>
internal sealed record PreflightEnvironment
{
    private const int CapSysAdmin = 21;
    private const int CapSysResource = 24;
    private const int CapCheckpointRestore = 40;

    /// <summary>The pid of the process that will start criu; a tree that contains it cannot be checkpointed.</summary>
    internal required int ProcessId { get; init; }

    /// <summary>The effective user.</summary>
    internal required int UserId { get; init; }

    /// <summary>The effective capabilities, one bit each (capabilities(7)).</summary>
    internal required ulong Capabilities { get; init; }

    /// <summary>
    /// The names of criu's plugins that are installed, such as amdgpu_plugin; empty if there are none or they are not known.
    /// </summary>
    internal IReadOnlySet<string> Plugins { get; init; } = new HashSet<string>();

    /// <summary>The criu that will be used, for facts that only criu reports; null to search for it.</summary>
    internal string? CriuPath { get; init; }

    /// <summary>Whether this process, and so criu, has a seccomp filter, such as a container's profile.</summary>
    internal bool HasSeccompFilter { get; init; }

    /// <summary>Whether the machine has several NUMA nodes, so that a policy for them makes a difference.</summary>
    internal bool HasSeveralNodes { get; init; }

    /// <summary>Whether there is a terminal for a restored process.</summary>
    internal bool HasTerminal { get; init; }

    /// <summary>Whether the caller has CAP_SYS_ADMIN.</summary>
    internal bool IsPrivileged => HasCapability(CapSysAdmin);

    /// <summary>Whether the caller has the one capability that criu's unprivileged mode needs.</summary>
    internal bool CanCheckpointOwn => IsPrivileged || HasCapability(CapCheckpointRestore);

    /// <summary>Whether limits of processes of other users may be read (CAP_SYS_RESOURCE).</summary>
    internal bool CanReadOthersLimits => HasCapability(CapSysResource);

    /// <summary>Reads the privileges of this process and searches for criu's plugins.</summary>
    /// <param name="pluginFolder">The folder of criu's plugins; null for the default folders.</param>
    internal static PreflightEnvironment Read(string? pluginFolder = null)
    {
        ProcessStatus? own = ProcessStatus.TryRead(Environment.ProcessId);
        return new PreflightEnvironment
        {
            ProcessId = Environment.ProcessId,
            UserId = own?.EffectiveUserId ?? -1,
            Capabilities = own?.EffectiveCapabilities ?? 0,
            HasSeccompFilter = own is { SeccompMode: not 0 },
            Plugins = FindPlugins(pluginFolder),
            HasSeveralNodes = ReadNodes() is not ("0" or ""),
            HasTerminal = HasControllingTerminal(),
        };
    }

    // "0" or "0-1"; empty where the kernel is built without NUMA.
    private static string ReadNodes()
    {
        try
        {
            return File.ReadAllText("/sys/devices/system/node/online").Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static bool HasControllingTerminal()
    {
        using SafeFileHandle terminal = LibC.Open("/dev/tty", LibC.O_RDONLY, out _);
        return !terminal.IsInvalid;
    }

    private bool HasCapability(int number) => (Capabilities & (1ul << number)) != 0;

    private static HashSet<string> FindPlugins(string? pluginFolder)
    {
        // criu's search order: CRIU_LIBS_DIR, then the folder it was built with, which differs between distributions.
        string?[] folders = pluginFolder is not null
            ? [pluginFolder]
            : [Environment.GetEnvironmentVariable("CRIU_LIBS_DIR"), "/usr/lib/criu", "/usr/lib64/criu", "/usr/local/lib/criu"];
        var plugins = new HashSet<string>();
        foreach (string? folder in folders)
        {
            if (Directory.Exists(folder))
            {
                foreach (string file in Directory.EnumerateFiles(folder, "*.so"))
                {
                    plugins.Add(Path.GetFileNameWithoutExtension(file));
                }
            }
        }

        return plugins;
    }
}
