using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>What a machine must lack or have for a failure to be reproducible on it.</summary>
public enum Lacking
{
    /// <summary>CAP_SYS_RESOURCE.</summary>
    SysResource,

    /// <summary>Tracking of changed pages.</summary>
    DirtyTracking,

    /// <summary>A criu that only root can run.</summary>
    ClosedCriu,

    /// <summary>Both: CAP_SYS_RESOURCE, and a criu that only root can run.</summary>
    SysResourceAndClosedCriu,
}

/// <summary>A test of a failure that only a machine which lacks something can produce.</summary>
public sealed class MachineFactAttribute : FactAttribute, IWantsPrograms
{
    /// <summary>Examines the machine.</summary>
    public MachineFactAttribute(Lacking what)
    {
        if ((CriuProgram.WhyNot ?? WantedPrograms.WhyNot(Programs) ?? (Has(what) ? $"this machine does not lack {what}" : null)) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Programs => ["python3", "setpriv"];

    private static bool Has(Lacking what) => what switch
    {
        Lacking.SysResource => (ProcessStatus.TryRead(Environment.ProcessId)!.EffectiveCapabilities >> 24 & 1) != 0,
        Lacking.ClosedCriu => CriuProgram.RunProgram("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", CriuProgram.Path!, "--version").ExitCode != 0,
        Lacking.SysResourceAndClosedCriu => Has(Lacking.SysResource) || Has(Lacking.ClosedCriu),
        _ => CriuProgram.Run("check", "--feature", "mem_dirty_track").ExitCode == 0,
    };
}
