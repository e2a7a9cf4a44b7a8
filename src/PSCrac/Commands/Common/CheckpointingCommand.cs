using System.Collections;
using System.Management.Automation;
using PSCrac.Checkpointing;
using PSCrac.Completion;
using PSCrac.Options;

namespace PSCrac.Commands.Common;

/// <summary>The parameters of a checkpoint, and the request that they make.</summary>
public abstract class CheckpointingCommand : CracCommand
{
    /// <summary>Let the process go on instead of killing it.</summary>
    [Parameter]
    public SwitchParameter LeaveRunning { get; set; }

    /// <summary>Replace an image that is there.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>The process belongs to a terminal's session.</summary>
    [Parameter]
    public SwitchParameter ShellJob { get; set; }

    /// <summary>Keep open TCP connections.</summary>
    [Parameter]
    public SwitchParameter TcpEstablished { get; set; }

    /// <summary>Leave open TCP connections out.</summary>
    [Parameter]
    public SwitchParameter TcpClose { get; set; }

    /// <summary>Drop callers of listening sockets that were not accepted yet.</summary>
    [Parameter]
    public SwitchParameter SkipInFlight { get; set; }

    /// <summary>Keep file locks.</summary>
    [Parameter]
    public SwitchParameter FileLocks { get; set; }

    /// <summary>Give open unlinked files that have other names a helper link.</summary>
    [Parameter]
    public SwitchParameter LinkRemap { get; set; }

    /// <summary>The largest unlinked file to keep inside the image, in bytes.</summary>
    [Parameter]
    [ValidateRange(0, uint.MaxValue)]
    public long GhostLimit { get; set; }

    /// <summary>Leave out unix sockets whose other end is outside the tree.</summary>
    [Parameter]
    public SwitchParameter ExternalUnixSocket { get; set; }

    /// <summary>Store memory compressed.</summary>
    [Parameter]
    public SwitchParameter Compress { get; set; }

    /// <summary>Start tracking changed pages.</summary>
    [Parameter]
    public SwitchParameter TrackMemory { get; set; }

    /// <summary>The image on top of which only changed pages are written.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ImageCompleter))]
    public string? ParentImage { get; set; }

    /// <summary>How long the tree may take to freeze, in seconds.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int FreezeTimeout { get; set; }

    /// <summary>How long to wait for the killed tree's pids to become free, in seconds; 0 not to wait.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int PidTimeout { get; set; } = 10;

    /// <summary>Do not sync the image to the disk.</summary>
    [Parameter]
    public SwitchParameter NoSync { get; set; }

    /// <summary>Whether the JVM or criu makes it.</summary>
    [Parameter]
    public CracEngineChoice Engine { get; set; }

    /// <summary>Skip the preflight and choose no options: only those given here are used.</summary>
    [Parameter]
    public SwitchParameter NoAutoOption { get; set; }

    /// <summary>Have a JVM collect its garbage first.</summary>
    [Parameter]
    public SwitchParameter CollectGarbage { get; set; }

    /// <summary>Other options of criu by their long names.</summary>
    [Parameter]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(CriuOptionCompleter))]
    public Hashtable CriuOption { get; set; } = [];

    /// <summary>The criu program to use.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(LiteralPathCompleter))]
    public string? CriuPath { get; set; }

    /// <summary>The options of criu that were given.</summary>
    private protected CheckpointOptions GivenOptions()
    {
        CheckpointOptions options = OptionParameters.Read(new CheckpointOptions(), MyInvocation.BoundParameters, CriuOption);
        return ParentImage is null ? options : options with { ParentImage = FindImage(ParentImage) };
    }

    /// <summary>The checkpoint that the parameters ask for.</summary>
    /// <param name="id">The root's pid.</param>
    /// <param name="imagePath">The full path of the folder that the image becomes.</param>
    private protected CheckpointRequest Request(int id, string imagePath) => new()
    {
        ProcessId = id,
        ImagePath = imagePath,
        Engine = Engine,
        CollectGarbage = CollectGarbage,
        Options = GivenOptions().RequireNoParameterByName(),
        ChooseOptions = !NoAutoOption,
        Force = Force,
        NoSync = NoSync,
        PidTimeout = TimeSpan.FromSeconds(PidTimeout),
        CriuPath = CriuPath is null ? null : ResolveLiteral(CriuPath),
    };
}
