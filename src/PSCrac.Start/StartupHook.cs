using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using PSCrac.Paging;
using PSCrac.Start;

/// <summary>
/// If no dotnet is installed, the init, and a page daemon, run in the host of the session: a pwsh that includes its
/// runtime calls this, named in DOTNET_STARTUP_HOOKS, before any PowerShell code, which then never runs. The runtime
/// requires a type of this name in the global namespace.
/// </summary>
internal static class StartupHook
{
    /// <summary>Called by the runtime; does not return.</summary>
    [RequiresUnreferencedCode("Loads the engine's assembly from its file. A program that was compiled ahead has no startup hooks.")]
    public static void Initialize()
    {
        // The host's own folder has no engine; this assembly's has, whose path the runtime was given.
        string folder = Path.GetDirectoryName(Environment.GetEnvironmentVariable("DOTNET_STARTUP_HOOKS")) ?? string.Empty;
        AssemblyLoadContext.Default.Resolving += (context, name) =>
            Path.Combine(folder, name.Name + ".dll") is var path && File.Exists(path) ? context.LoadFromAssemblyPath(path) : null;
        Run();
    }

    // A method of its own: compiling it loads the engine.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Run()
    {
        if (Environment.GetEnvironmentVariable(PageProcess.ModeVariable) is not null)
        {
            PageProcess.Run();
        }

        NamespaceInit.Run();
    }
}
