using System.Collections;
using System.Globalization;
using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Completion;
using PSCrac.Options;
using PSCrac.PidNamespaces;
using PSCrac.Starting;
using PSCrac.Starting.Services;

namespace PSCrac.Commands;

/// <summary>Register-CracService: describes a service for crac-start, and writes its systemd unit.</summary>
[Cmdlet(VerbsLifecycle.Register, "CracService", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(CracService))]
public sealed class RegisterCracServiceCommand : ProgramCommand
{
    /// <summary>The service's name.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ServiceNameCompleter))]
    public string Name { get; set; } = string.Empty;

    /// <inheritdoc/>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public override string FilePath { get; set; } = string.Empty;

    /// <inheritdoc/>
    [Parameter(Position = 2)]
    [Alias("Args")]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public override string[] ArgumentList { get; set; } = [];

    /// <summary>It is ready when a line of its output matches this.</summary>
    [Parameter, ValidateNotNullOrEmpty]
    public string? ReadyPattern { get; set; }

    /// <summary>It is ready when it has written this file.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? ReadyFile { get; set; }

    /// <summary>It is ready when this program, with its arguments, ends with exit code 0.</summary>
    [Parameter, ValidateNotNullOrEmpty]
    public string[]? ReadyCommand { get; set; }

    /// <summary>Addresses that are requested to warm it up.</summary>
    [Parameter, ValidateNotNullOrEmpty]
    public Uri[] WarmUpUri { get; set; } = [];

    /// <summary>How many times each is requested.</summary>
    [Parameter, ValidateRange(1, int.MaxValue)]
    public int WarmUpCount { get; set; } = 1;

    /// <summary>A program, with its arguments, that warms it up.</summary>
    [Parameter, ValidateNotNullOrEmpty]
    public string[]? WarmUpCommand { get; set; }

    /// <summary>The time between checkpoints while it runs.</summary>
    [Parameter, TimeSpanText]
    public TimeSpan CheckpointEvery { get; set; }

    /// <summary>How many images are kept.</summary>
    [Parameter, ValidateRange(1, int.MaxValue)]
    public int Keep { get; set; } = 3;

    /// <summary>What follows a crash.</summary>
    [Parameter]
    public CracServiceRestart RestartFrom { get; set; }

    /// <summary>How many restarts within a minute.</summary>
    [Parameter, ValidateRange(1, int.MaxValue)]
    public int RestartLimit { get; set; } = 5;

    /// <summary>The user that the program runs as.</summary>
    [Parameter, ValidateNotNullOrEmpty]
    public string? User { get; set; }

    /// <summary>The pid namespace that the program runs in.</summary>
    [Parameter]
    public CracPidNamespace PidNamespace { get; set; }

    /// <summary>Whether the JVM or criu makes a JVM's checkpoint and restore.</summary>
    [Parameter]
    public CracEngineChoice Engine { get; set; }

    /// <summary>Other files and folders that the program depends on.</summary>
    [Parameter, ValidateNotNullOrEmpty, SupportsWildcards, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string[] DependsOn { get; set; } = [];

    /// <summary>Options of its checkpoints, by criu's long names.</summary>
    [Parameter, ValidateNotNull, ArgumentCompleter(typeof(CriuOptionCompleter))]
    public Hashtable CriuOption { get; set; } = [];

    /// <summary>Settings of the unit's section [Service].</summary>
    [Parameter, ValidateNotNull]
    public Hashtable UnitOption { get; set; } = [];

    /// <summary>The folder that the unit is written to.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? UnitDirectory { get; set; }

    /// <summary>Replace a service or a unit that is there.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override void EndProcessing() => OrEnd(Name, Register);

    private void Register()
    {
        IReadOnlyList<string> command = NamespaceInitHost.LocateStart();
        string? units = ResolveOptional(UnitDirectory);
        var registration = ServiceRegistration.Prepare(Describe(), units, ReadUnitOptions(), command, Force);
        if (!ShouldDo(registration.Preview))
        {
            return;
        }

        foreach (string warning in registration.Write())
        {
            WriteWarning(warning);
        }

        WriteObject(new ServiceListing(command, units).Read(Name));
    }

    private ServiceDescription Describe()
    {
        StartRequest request = Request();
        return new ServiceDescription
        {
            Name = Name,
            FilePath = ProgramPath.Find(request.FilePath),
            Arguments = request.Arguments,
            WorkingDirectory = request.WorkingDirectory!,
            Environment = request.Environment,
            StandardInputPath = request.StandardInputPath,
            StandardOutputPath = request.StandardOutputPath,
            StandardErrorPath = request.StandardErrorPath,
            User = User,
            MinimumId = request.MinimumId,
            PidNamespace = GetGiven(PidNamespace, nameof(PidNamespace)),
            ReadyUri = ReadyUri,
            ReadyPort = ReadyPort > 0 ? ReadyPort : null,
            ReadyFile = ResolveOptional(ReadyFile),
            ReadyPattern = ReadyPattern,
            ReadyCommand = FindProgram(ReadyCommand),
            ReadyTimeout = request.ReadyTimeout,
            WarmUpUri = WarmUpUri,
            WarmUpCount = WarmUpCount,
            WarmUpCommands = FindProgram(WarmUpCommand) is { } warmUp ? [warmUp] : [],
            CollectGarbage = CollectGarbage,
            Engine = Engine,
            CheckpointOptions = OptionParameters.ReadNames(CriuOption),
            CriuPath = request.CriuPath,
            DependsOn = [.. DependsOn.Select(ResolveLiteral)],
            CheckpointEvery = GetGiven(CheckpointEvery, nameof(CheckpointEvery)),
            Keep = Keep,
            RestartFrom = GetGiven(RestartFrom, nameof(RestartFrom)),
            RestartLimit = RestartLimit,
        };
    }

    // crac-start may have another PATH, and another working directory.
    private string[]? FindProgram(string[]? words) =>
        words is [{ } program, .. var arguments]
            ? [ProgramPath.Find(program.Contains('/', StringComparison.Ordinal) ? ResolveLiteral(program) : program), .. arguments] : null;

    private Dictionary<string, string> ReadUnitOptions() => UnitOption.Cast<DictionaryEntry>().ToDictionary(
        static entry => Convert.ToString(entry.Key, CultureInfo.InvariantCulture)!,
        static entry => Convert.ToString(entry.Value, CultureInfo.InvariantCulture)!,
        StringComparer.Ordinal);
}
