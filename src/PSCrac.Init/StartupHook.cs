using PSCrac.Init;

/// <summary>
/// If no dotnet is installed, the init runs in the host of the session: a pwsh that includes its
/// runtime calls this, named in DOTNET_STARTUP_HOOKS, before any PowerShell code, which then never runs. The runtime
/// requires a type of this name in the global namespace.
/// </summary>
internal static class StartupHook
{
    /// <summary>Called by the runtime; does not return.</summary>
    public static void Initialize() => NamespaceInit.Run();
}
