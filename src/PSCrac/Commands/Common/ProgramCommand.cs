using System.Collections;
using System.Globalization;
using System.Management.Automation;
using PSCrac.Completion;
using PSCrac.Starting;

namespace PSCrac.Commands.Common;

/// <summary>The parameters that all cmdlets share that name a program to start: the program, its environment, and when it is ready.</summary>
/// <remarks>
/// -ReadyPattern, -ReadyFile, -PidNamespace and -Engine are in Start-CracProcess and in Register-CracService, each by itself: Measure-CracStartup,
/// which shares the script blocks of <see cref="StartingCommand"/> with the first, has none of them, and a class has one base.
/// </remarks>
public abstract class ProgramCommand : CracCommand
{
    /// <summary>The program: a path, or a name on the PATH.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public virtual string FilePath { get; set; } = string.Empty;

    /// <summary>Its arguments, each passed unchanged.</summary>
    [Parameter(Position = 1)]
    [Alias("Args")]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public virtual string[] ArgumentList { get; set; } = [];

    /// <summary>Its working directory.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? WorkingDirectory { get; set; }

    /// <summary>Changes to this session's environment; $null removes a variable.</summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable Environment { get; set; } = [];

    /// <summary>The file it reads as its standard input.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? StandardInputPath { get; set; }

    /// <summary>The file its standard output is appended to.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? StandardOutputPath { get; set; }

    /// <summary>The file its standard error is appended to.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? StandardErrorPath { get; set; }

    /// <summary>The lowest process id it may get; 0 for any.</summary>
    [Parameter]
    [ValidateRange(0, 4_194_304)]
    public int MinimumId { get; set; }

    /// <summary>It is ready when this URI answers with a status below 400.</summary>
    [Parameter, ValidateNotNull]
    public Uri? ReadyUri { get; set; }

    /// <summary>It is ready when it listens on this TCP port.</summary>
    [Parameter, ValidateRange(1, 65535)]
    public int ReadyPort { get; set; }

    /// <summary>How long it may take until it is ready, in seconds.</summary>
    [Parameter, ValidateRange(1, int.MaxValue / 1000)]
    public int ReadyTimeout { get; set; } = 60;

    /// <summary>Have a JVM collect its garbage after the warm-up.</summary>
    [Parameter]
    public SwitchParameter CollectGarbage { get; set; }

    /// <summary>The criu program to use.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CriuPath { get; set; }

    /// <summary>The program's command line, for messages.</summary>
    private protected string CommandLine => string.Join(' ', [FilePath, .. ArgumentList]);

    /// <summary>The request that these parameters make.</summary>
    private protected virtual StartRequest Request() => new()
    {
        FilePath = FilePath.Contains('/', StringComparison.Ordinal) ? ResolveLiteral(FilePath) : FilePath,
        Arguments = ArgumentList,
        WorkingDirectory = WorkingDirectory is null ? SessionState.Path.CurrentFileSystemLocation.ProviderPath : ResolveLiteral(WorkingDirectory),
        Environment = Variables(),
        StandardInputPath = ResolveOptional(StandardInputPath),
        StandardOutputPath = ResolveOptional(StandardOutputPath),
        StandardErrorPath = ResolveOptional(StandardErrorPath),
        MinimumId = GetGiven(MinimumId, nameof(MinimumId)),
        Ready = [.. ReadyParameters.Conditions(ReadyUri, ReadyPort, null)],
        ReadyTimeout = TimeSpan.FromSeconds(ReadyTimeout),
        CollectGarbage = CollectGarbage,
        CriuPath = ResolveOptional(CriuPath),
    };

    private Dictionary<string, string?> Variables()
    {
        var variables = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in Environment)
        {
            variables[Convert.ToString(entry.Key, CultureInfo.InvariantCulture)!] =
                entry.Value is null ? null : Convert.ToString(entry.Value, CultureInfo.InvariantCulture);
        }

        return variables;
    }
}
