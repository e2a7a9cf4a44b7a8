using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace PSCrac;

/// <summary>
/// Called by PowerShell when the module is imported. A runspace other than the session's first, such as one of ForEach-Object
/// -Parallel, may receive objects that another has written, and write none itself: there the types are loaded at once.
/// </summary>
public sealed class CracModule : IModuleAssemblyInitializer
{
    private const int First = 1;

    /// <inheritdoc/>
    public void OnImport()
    {
        if (Runspace.DefaultRunspace is { Id: > First })
        {
            CracTypeData.Load();
        }
    }
}
