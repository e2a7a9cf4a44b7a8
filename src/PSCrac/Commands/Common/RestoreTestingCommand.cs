using System.Management.Automation;
using PSCrac.Completion;
using PSCrac.Options;
using PSCrac.Stores;

namespace PSCrac.Commands.Common;

/// <summary>The parameters that Restore-CracProcess and Test-CracImage share: those that decide whether an image can be restored.</summary>
public abstract class RestoreTestingCommand : ImageInputCommand
{
    /// <summary>Restore memory on demand, by criu's page daemon, while the tree runs.</summary>
    [Parameter]
    public SwitchParameter LazyPages { get; set; }

    /// <summary>
    /// The pid namespace that the tree is restored into: the session's, a new one, or whichever is possible. Where not given, a
    /// new one for a tree that had one of its own at its checkpoint.
    /// </summary>
    [Parameter]
    public CracPidNamespace PidNamespace { get; set; }

    /// <summary>Skips the ownership check.</summary>
    [Parameter]
    public SwitchParameter SkipTrustCheck { get; set; }

    /// <summary>Accept only an image that an allowed signer has signed.</summary>
    [Parameter]
    public SwitchParameter RequireSignature { get; set; }

    /// <summary>The file that says whose signatures count.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? AllowedSigners { get; set; }

    /// <summary>A file of credentials for a registry.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? AuthFile { get; set; }

    /// <summary>A folder of certificates for a registry.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CertificateDirectory { get; set; }

    /// <summary>Accept a registry without TLS, and any certificate.</summary>
    [Parameter]
    public SwitchParameter SkipTlsCheck { get; set; }

    /// <inheritdoc/>
    private protected override RegistryAccess Access => RegistryAccessOf(AuthFile, CertificateDirectory, SkipTlsCheck);

    /// <summary>How long a restore waits for process ids of processes that are ending, in seconds.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int PidTimeout { get; set; } = 10;

    /// <summary>The criu program that restores.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CriuPath { get; set; }

    /// <inheritdoc/>
    private protected override void RequireUsable(StoreName name)
    {
        if (!SkipTrustCheck && !RequireSignature)
        {
            StoreTrust.Require(name);
        }
    }

    /// <summary>The restore that the parameters ask for.</summary>
    private protected virtual RestoreRequest Request(CracImage image) => new()
    {
        Image = image,
        Options = GivenOptions().RequireNoParameterByName(),
        PidNamespace = GetGiven(PidNamespace, nameof(PidNamespace)),
        SkipTrustCheck = SkipTrustCheck,
        RequireSignature = RequireSignature,
        AllowedSigners = ResolveOptional(AllowedSigners),
        PidTimeout = TimeSpan.FromSeconds(PidTimeout),
        CriuPath = CriuPath is null ? null : ResolveLiteral(CriuPath),
    };

    /// <summary>The options of criu that were given.</summary>
    private protected virtual RestoreOptions GivenOptions() => OptionParameters.Read(new RestoreOptions(), MyInvocation.BoundParameters, []);
}
