using PSCrac.Init;

/// <summary>
/// Where no dotnet is installed, the init is run by the host of the session that restores: a pwsh that brings its own
/// runtime along runs this, named in DOTNET_STARTUP_HOOKS, before any of PowerShell, and never gets there. The runtime
/// looks for a type of this name outside any namespace.
/// </summary>
internal static class StartupHook
{
    /// <summary>Called by the runtime; does not return.</summary>
    public static void Initialize() => NamespaceInit.Run();
}
