using System.Management.Automation;
using PSCrac.Completion;
using PSCrac.Options;

namespace PSCrac.Commands.Common;

/// <summary>What changes whether an image can be restored: the parameters that the restore and its test share.</summary>
public abstract class RestoreTestingCommand : ImageInputCommand
{
    /// <summary>Whether memory is brought by criu's page daemon while the tree runs, what is touched first.</summary>
    [Parameter]
    public SwitchParameter LazyPages { get; set; }

    /// <summary>
    /// Whose process ids the tree gets: the session's, those of a new pid namespace, or what is possible. Where not given, a new
    /// namespace's for a tree that was in one of its own at its checkpoint.
    /// </summary>
    [Parameter]
    public CracPidNamespace PidNamespace { get; set; }

    /// <summary>Skips the ownership check.</summary>
    [Parameter]
    public SwitchParameter SkipTrustCheck { get; set; }

    /// <summary>How long a restore waits for process ids that are on their way out, in seconds.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int PidTimeout { get; set; } = 10;

    /// <summary>The criu program that restores.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CriuPath { get; set; }

    /// <summary>The restore that the parameters ask for.</summary>
    private protected virtual RestoreRequest Request(CracImage image) => new()
    {
        Image = image,
        Options = GivenOptions().RequireNoParameterByName(),
        PidNamespace = GetGiven(PidNamespace, nameof(PidNamespace)),
        SkipTrustCheck = SkipTrustCheck,
        PidTimeout = TimeSpan.FromSeconds(PidTimeout),
        CriuPath = CriuPath is null ? null : ResolveLiteral(CriuPath),
    };

    /// <summary>The options of criu that were given.</summary>
    private protected virtual RestoreOptions GivenOptions() => OptionParameters.Read(new RestoreOptions(), MyInvocation.BoundParameters, []);
}
