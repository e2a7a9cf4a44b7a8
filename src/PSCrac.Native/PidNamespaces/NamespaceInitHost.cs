using System.Runtime.InteropServices;
using PSCrac.Common;
using PSCrac.Images.Storage;

namespace PSCrac.PidNamespaces;

/// <summary>
/// The host for the init of a pid namespace: crac-start where it was compiled ahead; else a dotnet with a suitable runtime, which runs
/// it as an assembly, or, if none is found, the current program. A packaged pwsh includes its runtime and has no dotnet; it runs the
/// init as a startup hook, before any PowerShell code.
/// </summary>
/// <param name="Program">The program to start.</param>
/// <param name="Arguments">Its arguments, starting with its name.</param>
/// <param name="Environment">Its required environment variables, NAME=VALUE each.</param>
internal sealed record NamespaceInitHost(string Program, IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment)
{
    /// <summary>The argument that makes crac-start the init of a pid namespace.</summary>
    internal const string InitArgument = "--init";

    private const string ProgramName = "crac-start";
    private const string FileName = ProgramName + ".dll";
    private const string Framework = "Microsoft.NETCore.App";
    private const int MinimumRuntimeVersion = 10;

    // The folders of packages and of Microsoft's install script; the files contain the path of another install location.
    private static readonly string[] DefaultFolders = ["/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet", "/opt/dotnet"];
    private static readonly string[] LocationFiles = [$"/etc/dotnet/install_location_{ArchitectureName()}", "/etc/dotnet/install_location"];

    private static NamespaceInitHost? s_found;

    /// <summary>Finds the host. The result is cached.</summary>
    /// <exception cref="CracException">The module's own file is missing.</exception>
    internal static NamespaceInitHost Locate() => s_found ??= Find(DotnetFolders(), System.Environment.ProcessPath);

    /// <summary>Selects crac-start where it was compiled ahead, else the first suitable dotnet folder, else the running program.</summary>
    internal static NamespaceInitHost Find(IEnumerable<string> dotnetFolders, string? running)
    {
        string compiled = Path.Combine(EngineFolder.Path, ProgramName);
        if (File.Exists(compiled))
        {
            return new NamespaceInitHost(compiled, [ProgramName, InitArgument], []);
        }

        return FindForAssembly(dotnetFolders, running);
    }

    /// <summary>Selects the host of the portable assembly.</summary>
    internal static NamespaceInitHost FindForAssembly(IEnumerable<string> dotnetFolders, string? running)
    {
        string assembly = Path.Combine(EngineFolder.Path, FileName);
        if (!File.Exists(assembly))
        {
            throw new CracException(
                CracReason.NamespaceUnsupported,
                $"{assembly} is missing. It is the first process of a new pid namespace, and the page daemon of -LazyPages.",
                "Install the module again with all of its files.");
        }

        foreach (string folder in dotnetFolders)
        {
            // This process's own runtime is as good as this process.
            string program = Path.Combine(folder, "dotnet");
            if (HasRuntime(folder) && (folder == RuntimeRoot() || (FileTrust.Find(program) ?? FileTrust.Find(Path.Combine(folder, "shared", Framework))) is null))
            {
                return new NamespaceInitHost(program, ["dotnet", assembly, InitArgument], [$"DOTNET_ROOT={folder}"]);
            }
        }

        string host = running ?? throw new CracException(
            CracReason.NamespaceUnsupported, "No .NET runtime was found to start the first process of a new pid namespace.", "Set DOTNET_ROOT to the folder of dotnet.");
        return new NamespaceInitHost(host, [host], [$"DOTNET_STARTUP_HOOKS={assembly}", .. RuntimeRoot() is { } root ? [$"DOTNET_ROOT={root}"] : (string[])[]]);
    }

    /// <summary>The command that is crac-start on this machine, to which its arguments are added; for units and entry points.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ProgramMissing"/>: it was not compiled ahead, and there is no dotnet to run it.</exception>
    internal static IReadOnlyList<string> LocateStart()
    {
        NamespaceInitHost host = Locate();
        return host.Arguments[^1] == InitArgument ? [host.Program, .. host.Arguments.Skip(1).SkipLast(1)] : throw new CracException(
            CracReason.ProgramMissing,
            $"{Path.Combine(EngineFolder.Path, FileName)} needs dotnet to run: this build of the module has no crac-start that was compiled ahead.",
            "Install the .NET 10 runtime (Debian package dotnet-runtime-10.0), or set DOTNET_ROOT to its folder.");
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
