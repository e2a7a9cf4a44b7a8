using System.Collections;
using System.Management.Automation;
using PSCrac.Completion;
using PSCrac.Options;

namespace PSCrac.Commands.Common;

/// <summary>The parameters of a restore, and the request that they make.</summary>
public abstract class RestoringCommand : RestoreTestingCommand
{
    /// <inheritdoc/>
    private protected override bool TakesAllOfService => false;

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
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? StandardInputPath { get; set; }

    /// <summary>Where the process's standard output is appended to.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? StandardOutputPath { get; set; }

    /// <summary>Where the process's standard error is appended to.</summary>
    [Parameter, ValidateNotNullOrEmpty, ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? StandardErrorPath { get; set; }

    /// <summary>Files that have moved: the path at the checkpoint as the key, the present one as the value.</summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable ReplaceFile { get; set; } = [];

    /// <summary>Open files that have grown since the checkpoint all the same, and write on at their present end.</summary>
    [Parameter]
    public SwitchParameter ReopenGrownFile { get; set; }

    /// <summary>Skip the preflight of files, ports, processor and privileges; criu then finds out.</summary>
    [Parameter]
    public SwitchParameter SkipPreflight { get; set; }

    /// <summary>Wait until the restored process has ended, and return its exit code.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    /// <summary>Whether the JVM or criu makes it.</summary>
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
    [ArgumentCompleter(typeof(CriuOptionCompleter))]
    public Hashtable CriuOption { get; set; } = [];

    /// <inheritdoc/>
    private protected override RestoreOptions GivenOptions() => OptionParameters.Read(new RestoreOptions(), MyInvocation.BoundParameters, CriuOption);

    /// <inheritdoc/>
    private protected override RestoreRequest Request(CracImage image) => base.Request(image) with
    {
        Engine = Engine,
        Jvm = JvmOptions(),
        AsChild = Wait,
        Files = new RestoreFiles
        {
            StandardInputPath = ResolveOptional(StandardInputPath),
            StandardOutputPath = ResolveOptional(StandardOutputPath),
            StandardErrorPath = ResolveOptional(StandardErrorPath),
            Replace = ReplaceFile.Cast<DictionaryEntry>().ToDictionary(
                static entry => $"{entry.Key}", entry => ResolveLiteral($"{entry.Value}"), StringComparer.Ordinal),
            ReopenGrown = ReopenGrownFile,
        },
        SkipPreflight = SkipPreflight,
    };

    /// <summary>The options for java that were given.</summary>
    private protected JvmRestoreOptions JvmOptions() => new()
    {
        JavaPath = ResolveOptional(JavaPath),
        MainClass = MainClass,
        Arguments = ArgumentList,
        Properties = Property.Cast<DictionaryEntry>().ToDictionary(
            static entry => LanguagePrimitives.ConvertTo<string>(entry.Key), static entry => LanguagePrimitives.ConvertTo<string>(entry.Value), StringComparer.Ordinal),
    };
}
