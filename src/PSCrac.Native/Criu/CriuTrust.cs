using PSCrac.Images.Storage;
using PSCrac.Options;

namespace PSCrac.Criu;

/// <summary>
/// What criu runs, loads or reads besides itself: its configuration files, what these and the environment name, its plugins, its
/// feature cache. As root, nobody else may decide about it.
/// </summary>
internal static class CriuTrust
{
    /// <summary>criu's option for a program that it runs at each stage.</summary>
    internal const string ActionScript = "action-script";

    /// <summary>criu's option for the folder whose plugins it loads.</summary>
    internal const string PluginFolder = "libdir";

    /// <summary>The variable for the same.</summary>
    internal const string PluginVariable = "CRIU_LIBS_DIR";

    // criu runs the programs that these name, instead of ip and iptables (run_ip_tool and iptables_tool_common in its net.c).
    private static readonly string[] s_programVariables = ["CR_IP_TOOL", "CR_IPTABLES"];

    /// <summary>The folder that criu was built with (CR_PLUGIN_DEFAULT in its plugin.h), which differs between distributions.</summary>
    internal static IReadOnlyList<string> DefaultPluginFolders { get; } = ["/usr/lib/criu", "/usr/lib64/criu", "/usr/local/lib/criu", "/var/lib/criu"];

    /// <summary>Refuses criu where someone else may change what it uses in every operation.</summary>
    /// <exception cref="CracException"><see cref="CracReason.FileNotTrusted"/>.</exception>
    internal static void Require()
    {
        if (!FileTrust.Applies)
        {
            return;
        }

        foreach (string file in CriuConfigFile.DefaultFiles())
        {
            FileTrust.Require(file, "criu's configuration file", "remove it");
        }

        foreach ((string name, string value) in CriuConfigFile.ReadInEffect())
        {
            RequireOption(name, value, "take it out of criu's configuration file");
        }

        string? plugins = Environment.GetEnvironmentVariable(PluginVariable);
        foreach (string folder in string.IsNullOrEmpty(plugins) ? DefaultPluginFolders : [plugins])
        {
            RequirePlugins(folder, $"name another with {PluginVariable}");
        }

        foreach (string variable in s_programVariables)
        {
            string? program = Environment.GetEnvironmentVariable(variable)?.Split(' ')[0];
            if (program?.Contains('/', StringComparison.Ordinal) == true)
            {
                FileTrust.Require(program, $"The program of {variable}", $"unset {variable}");
            }
        }

        FileTrust.Require(CriuFeatureCache.CachePath, "criu's feature cache", $"remove it: rm {CriuFeatureCache.CachePath}");
    }

    /// <summary>Refuses options that have criu run or load what someone else may change.</summary>
    /// <exception cref="CracException"><see cref="CracReason.FileNotTrusted"/>.</exception>
    internal static void Require(CriuOptions options)
    {
        foreach ((string name, object? value) in options.CriuOption)
        {
            foreach (object? each in value is System.Collections.IEnumerable list and not string ? list.Cast<object?>() : [value])
            {
                if (each?.ToString() is { Length: > 0 } text)
                {
                    RequireOption(name, text, $"leave '{name}' out of -CriuOption");
                }
            }
        }
    }

    private static void RequireOption(string name, string value, string alternative)
    {
        // criu finds a script without a slash on the PATH that it is given, which has only trusted folders.
        if (name == ActionScript && value.Contains('/', StringComparison.Ordinal))
        {
            FileTrust.Require(value, "The action script", alternative);
        }
        else if (name == PluginFolder)
        {
            RequirePlugins(value, alternative);
        }
    }

    private static void RequirePlugins(string folder, string alternative)
    {
        FileTrust.Require(folder, "The folder of criu's plugins", alternative);
        foreach (string plugin in Directory.Exists(folder) ? Directory.EnumerateFileSystemEntries(folder, "*.so") : [])
        {
            FileTrust.Require(plugin, "criu's plugin", alternative);
        }
    }
}
