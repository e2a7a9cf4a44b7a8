using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace PSCrac;

/// <summary>
/// Called by PowerShell when the module is imported. A runspace beside the session's first, such as one of ForEach-Object
/// -Parallel, is given objects that another has written: it is told of their types at once, since it may write none itself.
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
