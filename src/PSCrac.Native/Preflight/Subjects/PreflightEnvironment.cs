using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Preflight.Subjects;

/// <summary>What is known of the side that makes the checkpoint or the restore: privileges, and what criu can make use of.</summary>
internal sealed record PreflightEnvironment
{
    private const int CapSysAdmin = 21;
    private const int CapSysResource = 24;
    private const int CapCheckpointRestore = 40;

    /// <summary>The pid of the process that will start criu; no tree that holds it can be checkpointed.</summary>
    internal required int ProcessId { get; init; }

    /// <summary>The effective user.</summary>
    internal required int UserId { get; init; }

    /// <summary>The effective capabilities, one bit each (capabilities(7)).</summary>
    internal required ulong Capabilities { get; init; }

    /// <summary>The names of criu's plugins that are installed, such as amdgpu_plugin; empty when there are none or it is not known.</summary>
    internal IReadOnlySet<string> Plugins { get; init; } = new HashSet<string>();

    /// <summary>The criu that will work, for what only it can tell; null to look for it.</summary>
    internal string? CriuPath { get; init; }

    /// <summary>Whether there is a terminal to give to a restored process.</summary>
    internal bool HasTerminal { get; init; }

    /// <summary>Whether the caller may do anything (CAP_SYS_ADMIN).</summary>
    internal bool IsPrivileged => HasCapability(CapSysAdmin);

    /// <summary>Whether the caller has the one capability that criu's unprivileged mode needs.</summary>
    internal bool CanCheckpointOwn => IsPrivileged || HasCapability(CapCheckpointRestore);

    /// <summary>Whether limits of processes of other users may be read (CAP_SYS_RESOURCE).</summary>
    internal bool CanReadOthersLimits => HasCapability(CapSysResource);

    /// <summary>Reads the privileges of the running process and looks for what criu uses.</summary>
    /// <param name="pluginFolder">Where criu looks for plugins; null for its usual places.</param>
    internal static PreflightEnvironment Read(string? pluginFolder = null)
    {
        ProcessStatus? own = ProcessStatus.TryRead(Environment.ProcessId);
        return new PreflightEnvironment
        {
            ProcessId = Environment.ProcessId,
            UserId = own?.EffectiveUserId ?? -1,
            Capabilities = own?.EffectiveCapabilities ?? 0,
            Plugins = FindPlugins(pluginFolder),
            HasTerminal = HasControllingTerminal(),
        };
    }

    private static bool HasControllingTerminal()
    {
        using SafeFileHandle terminal = LibC.Open("/dev/tty", LibC.O_RDONLY, out _);
        return !terminal.IsInvalid;
    }

    private bool HasCapability(int number) => (Capabilities & (1ul << number)) != 0;

    private static HashSet<string> FindPlugins(string? pluginFolder)
    {
        // criu's own order: CRIU_LIBS_DIR, then the folder it was built with, which distributions set differently.
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
