using System.Runtime.InteropServices;
using PSCrac.Images.Storage;

namespace PSCrac.PidNamespaces;

/// <summary>
/// The host for the init of a pid namespace: a dotnet with a suitable runtime or, if none is found, the
/// current program. A packaged pwsh includes its runtime and has no dotnet; it runs the
/// init as a startup hook, before any PowerShell code.
/// </summary>
/// <param name="Program">The program to start.</param>
/// <param name="Arguments">Its arguments, starting with its name.</param>
/// <param name="Environment">Its required environment variables, NAME=VALUE each.</param>
internal sealed record NamespaceInitHost(string Program, IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment)
{
    private const string FileName = "PSCrac.Init.dll";
    private const string Framework = "Microsoft.NETCore.App";
    private const int MinimumRuntimeVersion = 10;

    // The folders of packages and of Microsoft's install script; the files contain the path of another install location.
    private static readonly string[] DefaultFolders = ["/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet", "/opt/dotnet"];
    private static readonly string[] LocationFiles = [$"/etc/dotnet/install_location_{ArchitectureName()}", "/etc/dotnet/install_location"];

    private static NamespaceInitHost? s_found;

    /// <summary>Finds the host. The result is cached.</summary>
    /// <exception cref="CracException">The module's own file is missing.</exception>
    internal static NamespaceInitHost Locate() => s_found ??= Find(DotnetFolders(), System.Environment.ProcessPath);

    /// <summary>Selects the first suitable dotnet folder, else the running program.</summary>
    internal static NamespaceInitHost Find(IEnumerable<string> dotnetFolders, string? running)
    {
        string assembly = Path.Combine(Path.GetDirectoryName(typeof(NamespaceInitHost).Assembly.Location) ?? string.Empty, FileName);
        if (!File.Exists(assembly))
        {
            throw new CracException(
                CracReason.NamespaceUnsupported,
                $"{assembly} is missing. It is the first process of a new pid namespace.",
                "Install the module again with all of its files.");
        }

        foreach (string folder in dotnetFolders)
        {
            // This process's own runtime is as good as this process.
            string program = Path.Combine(folder, "dotnet");
            if (HasRuntime(folder) && (folder == RuntimeRoot() || (FileTrust.Find(program) ?? FileTrust.Find(Path.Combine(folder, "shared", Framework))) is null))
            {
                return new NamespaceInitHost(program, ["dotnet", assembly], [$"DOTNET_ROOT={folder}"]);
            }
        }

        string host = running ?? throw new CracException(
            CracReason.NamespaceUnsupported, "No .NET runtime was found to start the first process of a new pid namespace.", "Set DOTNET_ROOT to the folder of dotnet.");
        return new NamespaceInitHost(host, [host], [$"DOTNET_STARTUP_HOOKS={assembly}", .. RuntimeRoot() is { } root ? [$"DOTNET_ROOT={root}"] : (string[])[]]);
    }

    private static IEnumerable<string> DotnetFolders()
    {
        // The runtime of this process certainly exists.
        if (RuntimeRoot() is { } own)
        {
            yield return own;
        }

        if (System.Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } named)
        {
            yield return named;
        }

        foreach (string folder in (System.Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            var dotnet = new FileInfo(Path.Combine(folder, "dotnet"));
            if (dotnet.Exists && (dotnet.ResolveLinkTarget(returnFinalTarget: true) ?? dotnet) is { } target)
            {
                yield return Path.GetDirectoryName(target.FullName)!;
            }
        }

        foreach (string file in LocationFiles)
        {
            if (File.Exists(file))
            {
                yield return File.ReadAllText(file).Trim();
            }
        }

        foreach (string folder in DefaultFolders)
        {
            yield return folder;
        }
    }

    // A shared runtime is in ROOT/shared/Microsoft.NETCore.App/10.0.1/; an included one is beside its program.
    private static string? RuntimeRoot()
    {
        string? version = Path.GetDirectoryName(RuntimeEnvironment.GetRuntimeDirectory());
        string? name = Path.GetDirectoryName(version);
        string? shared = Path.GetDirectoryName(name);
        return Path.GetFileName(name) == Framework && Path.GetFileName(shared) == "shared" ? Path.GetDirectoryName(shared) : null;
    }

    private static bool HasRuntime(string folder)
    {
        string versions = Path.Combine(folder, "shared", Framework);
        return File.Exists(Path.Combine(folder, "dotnet")) && Directory.Exists(versions)
            && Directory.EnumerateDirectories(versions).Any(static each =>
                int.TryParse(Path.GetFileName(each).Split('.')[0], out int major) && major >= MinimumRuntimeVersion);
    }

    private static string ArchitectureName() => RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
}
