namespace PSCrac;

/// <summary>A service that is described for crac-start, with its images and its process.</summary>
public sealed class CracService
{
    internal CracService(string name, string descriptionPath) => (Name, DescriptionPath) = (name, descriptionPath);

    /// <summary>The name: of the service, of the folder of its images below the image root, and of its unit.</summary>
    public string Name { get; }

    /// <summary>Whether its program runs now.</summary>
    public bool IsRunning => ProcessId is not null;

    /// <summary>The pid of its program; null where it does not run.</summary>
    public int? ProcessId { get; internal init; }

    /// <summary>When its program was started or restored, in local time; null where it does not run.</summary>
    public DateTime? Since { get; internal init; }

    /// <summary>Whether its program was restored; null where it does not run.</summary>
    public bool? IsRestored { get; internal init; }

    /// <summary>The newest image that can be restored; null if there is none.</summary>
    public CracImage? Image { get; internal init; }

    /// <summary>The number of its images that are not set aside.</summary>
    public int ImageCount { get; internal init; }

    /// <summary>The number of its images that are set aside, since the program crashed after restores from them.</summary>
    public int SetAsideCount { get; internal init; }

    /// <summary>The command line of its program, arguments separated by spaces.</summary>
    public string Command { get; internal init; } = string.Empty;

    /// <summary>The time between checkpoints while it runs; null for a checkpoint only after a start.</summary>
    public TimeSpan? CheckpointEvery { get; internal init; }

    /// <summary>How many images are kept.</summary>
    public int Keep { get; internal init; }

    /// <summary>What follows a crash; null for the end of crac-start.</summary>
    public CracServiceRestart? RestartFrom { get; internal init; }

    /// <summary>The full path of its description.</summary>
    public string DescriptionPath { get; }

    /// <summary>The full path of its systemd unit; null if there is none that PSCrac has written.</summary>
    public string? UnitPath { get; internal init; }

    /// <summary>The command that runs it in front, as one line for a shell: for the entry point of a container. Null where crac-start cannot run.</summary>
    public string? EntryPoint { get; internal init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
