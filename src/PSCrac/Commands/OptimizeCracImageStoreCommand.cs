using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Stores;

namespace PSCrac.Commands;

/// <summary>Optimize-CracImageStore: removes from stores what no tag needs.</summary>
[Cmdlet(VerbsCommon.Optimize, "CracImageStore", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(CracStoreOptimization))]
public sealed class OptimizeCracImageStoreCommand : CracCommand
{
    /// <summary>Names of stores, or paths of their folders.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(StoreTargetCompleter))]
    public string[] Path { get; set; } = [StoreName.Prefix];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (string given in Path)
        {
            ForItem(given, () => Optimize(StoreName.IsName(given) ? ResolveStore(given).Folder : ResolveLiteral(given)));
        }
    }

    private void Optimize(string? folder)
    {
        if (folder is null)
        {
            throw new CracException(CracReason.OptionRefused, "A registry removes what no tag needs by itself, when its garbage collection runs.", "Give the folder of a layout; for a registry, ask its administrator.");
        }

        if (ShouldProcess(folder, "Remove what no tag needs"))
        {
            WriteObject(RunOperation($"Optimizing {folder}", (_, stopping) => StoreCare.Optimize(folder, stopping)));
        }
    }
}
