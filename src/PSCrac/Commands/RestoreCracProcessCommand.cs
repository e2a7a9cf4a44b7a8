using System.Collections;
using System.Globalization;
using System.Management.Automation;
using PSCrac.Commands.Common;
using PSCrac.Common;
using PSCrac.Completion;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Starting;

namespace PSCrac.Commands;

/// <summary>Restore-CracProcess: brings a process tree back from its image.</summary>
[Cmdlet(VerbsData.Restore, "CracProcess", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = PathSet)]
[OutputType(typeof(CracRestoredProcess))]
public sealed class RestoreCracProcessCommand : ImageInputCommand
{
    /// <summary>Stay until the restored process has ended, and give its exit code.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    /// <summary>Give the process this terminal.</summary>
    [Parameter]
    public SwitchParameter ShellJob { get; set; }

    /// <summary>Take up open TCP connections again.</summary>
    [Parameter]
    public SwitchParameter TcpEstablished { get; set; }

    /// <summary>Let the process find its TCP connections closed.</summary>
    [Parameter]
    public SwitchParameter TcpClose { get; set; }

    /// <summary>Take file locks again.</summary>
    [Parameter]
    public SwitchParameter FileLocks { get; set; }

    /// <summary>Leave unix sockets unconnected whose other end is outside the tree.</summary>
    [Parameter]
    public SwitchParameter ExternalUnixSocket { get; set; }

    /// <summary>What the process reads as its standard input.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? StandardInputPath { get; set; }

    /// <summary>Where the process's standard output is appended to.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? StandardOutputPath { get; set; }

    /// <summary>Where the process's standard error is appended to.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? StandardErrorPath { get; set; }

    /// <summary>Files that have moved: the path at the checkpoint as the key, the present one as the value.</summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable ReplaceFile { get; set; } = [];

    /// <summary>Open files that have grown since the checkpoint all the same, and write on at their present end.</summary>
    [Parameter]
    public SwitchParameter ReopenGrownFile { get; set; }

    /// <summary>Run before all of the memory is there; criu's page daemon brings it, what is touched first.</summary>
    [Parameter]
    public SwitchParameter LazyPages { get; set; }

    /// <summary>
    /// Whose process ids the tree gets: the session's, those of a new pid namespace, or what is possible. Where not given, a new
    /// namespace's for a tree that was in one of its own at its checkpoint.
    /// </summary>
    [Parameter]
    public CracPidNamespace PidNamespace { get; set; }

    /// <summary>Restore the image whoever could have written it.</summary>
    [Parameter]
    public SwitchParameter SkipTrustCheck { get; set; }

    /// <summary>Leave it to criu to find out whether files, ports, the processor and privileges are as the image needs them.</summary>
    [Parameter]
    public SwitchParameter SkipPreflight { get; set; }

    /// <summary>How long to wait for process ids that are on their way out, in seconds.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int PidTimeout { get; set; } = 10;

    /// <summary>It is ready when this URI answers with a status below 400.</summary>
    [Parameter]
    [ValidateNotNull]
    public Uri? ReadyUri { get; set; }

    /// <summary>It is ready when it listens on this TCP port.</summary>
    [Parameter]
    [ValidateRange(1, 65535)]
    public int ReadyPort { get; set; }

    /// <summary>It is ready when this gives something that PowerShell takes for true.</summary>
    [Parameter]
    [ValidateNotNull]
    public ScriptBlock? ReadyScript { get; set; }

    /// <summary>How long it may take until it is ready, in seconds.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue / 1000)]
    public int ReadyTimeout { get; set; } = 60;

    /// <summary>Which way it goes: the JVM's own or criu's.</summary>
    [Parameter]
    public CracEngineChoice Engine { get; set; }

    /// <summary>The java program, or the folder of the JDK, that restores a JVM's image; the one that made it where left out.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? JavaPath { get; set; }

    /// <summary>The class whose main method a restored JVM runs with the new arguments.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? MainClass { get; set; }

    /// <summary>New arguments for a restored JVM's main class.</summary>
    [Parameter]
    [ValidateNotNull]
    public string[] ArgumentList { get; set; } = [];

    /// <summary>New system properties for a restored JVM.</summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable Property { get; set; } = [];

    /// <summary>Other options of criu by their long names.</summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable CriuOption { get; set; } = [];

    /// <summary>The criu program to use.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CriuPath { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing() => OrEnd(null, () =>
    {
        Options().RequireConsistent();
        _ = ReadyParameters.Conditions(ReadyUri, ReadyPort, null).Count();
        if (Engine == CracEngineChoice.Criu && JvmParameter() is { } name)
        {
            throw new CracException(
                CracReason.OptionRefused, $"-{name} is what java does with its own images, and -Engine Criu leaves java out.", $"Leave out -Engine Criu, or -{name}.");
        }
    });

    /// <inheritdoc/>
    private protected override void ProcessImage(CracImage image)
    {
        if (!ShouldProcess($"{image.Command} ({image.RootProcessId})", $"Restore from {image.Path}"))
        {
            return;
        }

        ReadyCondition[] ready = [.. ReadyParameters.Conditions(ReadyUri, ReadyPort, ReadyScript is null ? null : AskScript)];
        CracRestoredProcess restored = RunOperation(
            $"Restoring {image.Name} ({image.RootProcessId})",
            (progress, stopping) => Readiness.Restore(Way(image), ready, TimeSpan.FromSeconds(ReadyTimeout), progress, stopping));
        WriteVerbose(string.Create(CultureInfo.CurrentCulture, $"Process {restored.Id} runs again after {restored.RestoreTime.TotalMilliseconds:0} ms."));
        foreach (CracFinding finding in restored.Findings)
        {
            if (finding.Severity != CracFindingSeverity.Note)
            {
                WriteVerbose($"{finding}{(finding.RecommendedAction is null ? string.Empty : " " + finding.RecommendedAction)}");
            }
        }

        foreach (string warning in restored.Warnings)
        {
            WriteWarning(warning);
        }

        if (restored.NamespaceInitId is { } init)
        {
            WriteVerbose(string.Create(
                CultureInfo.CurrentCulture,
                $"It is process {restored.ImageProcessId} of a pid namespace of its own, whose first process is {init} here."));
            if (Given(PidNamespace, nameof(PidNamespace)) is null)
            {
                WriteVerbose("It was in a pid namespace of its own at its checkpoint, too. -PidNamespace Host restores it outside.");
            }
        }

        if (restored.LazyPages is { } pages)
        {
            WriteVerbose(string.Create(CultureInfo.CurrentCulture, $"Its memory is brought by the page daemon, process {pages.DaemonId}."));
        }

        if (Wait)
        {
            WaitForExit(restored);
        }

        WriteObject(restored);
    }

    private Func<IProgress<CracProgress>?, CancellationToken, CracRestoredProcess> Way(CracImage image)
    {
        string? criuPath = CriuPath is null ? null : ResolveLiteral(CriuPath);
        if (!JvmRestore.Applies(Engine, image))
        {
            RequireNothingForJvm();
            RestoreRequest request = new()
            {
                Image = image,
                Options = Options(),
                AsChild = Wait,
                PidNamespace = Given(PidNamespace, nameof(PidNamespace)),
                Files = Files(),
                SkipTrustCheck = SkipTrustCheck,
                SkipPreflight = SkipPreflight,
                PidTimeout = TimeSpan.FromSeconds(PidTimeout),
                CriuPath = criuPath,
            };
            return (progress, stopping) => Restore.Run(request, progress, stopping);
        }

        var properties = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in Property)
        {
            properties[LanguagePrimitives.ConvertTo<string>(entry.Key)] = LanguagePrimitives.ConvertTo<string>(entry.Value);
        }

        JvmRestoreRequest jvm = new()
        {
            Image = image,
            Engine = Engine,
            JavaPath = JavaPath is null ? null : ResolveLiteral(JavaPath),
            MainClass = MainClass,
            Arguments = ArgumentList,
            Properties = properties,
            Options = Options(),
            Files = Files(),
            PidNamespace = Given(PidNamespace, nameof(PidNamespace)),
            AsChild = Wait,
            SkipTrustCheck = SkipTrustCheck,
            SkipPreflight = SkipPreflight,
            PidTimeout = TimeSpan.FromSeconds(PidTimeout),
            CriuPath = criuPath,
        };
        return (progress, stopping) => JvmRestore.Run(jvm, progress, stopping);
    }

    private void RequireNothingForJvm()
    {
        if (JvmParameter() is { } name)
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"-{name} is for an image that a CRaC JVM took of itself, and this is none.",
                $"Leave out -{name}: a process that criu checkpointed goes on with the arguments it had.");
        }
    }

    private string? JvmParameter() => Array.Find(
        [nameof(JavaPath), nameof(MainClass), nameof(ArgumentList), nameof(Property)], MyInvocation.BoundParameters.ContainsKey);

    private bool AskScript() => OnPipeline(() => ReadyParameters.Ask(ReadyScript!, process: null));

    private void WaitForExit(CracRestoredProcess restored)
    {
        try
        {
            restored.WaitForExit(Timeout.InfiniteTimeSpan, StopToken);
        }
        catch (OperationCanceledException)
        {
            throw new PipelineStoppedException();
        }
    }

    private RestoreFiles Files() => new()
    {
        StandardInputPath = Resolve(StandardInputPath),
        StandardOutputPath = Resolve(StandardOutputPath),
        StandardErrorPath = Resolve(StandardErrorPath),
        Replace = ReplaceFile.Cast<DictionaryEntry>().ToDictionary(
            static entry => $"{entry.Key}", entry => ResolveLiteral($"{entry.Value}"), StringComparer.Ordinal),
        ReopenGrown = ReopenGrownFile,
    };

    private string? Resolve(string? path) => path is null ? null : ResolveLiteral(path);

    private RestoreOptions Options() => new()
    {
        ShellJob = Said(ShellJob, nameof(ShellJob)),
        TcpEstablished = Said(TcpEstablished, nameof(TcpEstablished)),
        TcpClose = Said(TcpClose, nameof(TcpClose)),
        FileLocks = Said(FileLocks, nameof(FileLocks)),
        LazyPages = LazyPages,
        ExternalUnixSocket = Said(ExternalUnixSocket, nameof(ExternalUnixSocket)),
        CriuOption = CriuOptionTable.From(CriuOption),
    };
}
