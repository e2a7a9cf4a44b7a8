namespace PSCrac;

/// <summary>A core that was made of a process in an image.</summary>
public sealed class CracCoreDump
{
    internal CracCoreDump()
    {
    }

    /// <summary>The full path of the core.</summary>
    public string Path { get; internal init; } = string.Empty;

    /// <summary>The process id in the image.</summary>
    public int ProcessId { get; internal init; }

    /// <summary>The command name of the process (comm).</summary>
    public string Command { get; internal init; } = string.Empty;

    /// <summary>The path of the program that a debugger is given with the core; null if the image does not have it.</summary>
    public string? Executable { get; internal init; }

    /// <summary>The architecture: x64 or arm64.</summary>
    public string Architecture { get; internal init; } = string.Empty;

    /// <summary>The number of threads.</summary>
    public int ThreadCount { get; internal init; }

    /// <summary>The length of the file, in bytes.</summary>
    public long Size { get; internal init; }

    /// <summary>The space that the file takes on the disk, in bytes: pages of zeros take none.</summary>
    public long SizeOnDisk { get; internal init; }

    /// <summary>What of mapped files is in the core.</summary>
    public CracIncludeFile IncludeFile { get; internal init; }

    /// <summary>The number of threads whose interrupted system call is shown as a debugger of the live process would show it.</summary>
    public int RestoredCallCount { get; internal init; }

    /// <summary>What is not in the core, an entry for each file and reason; empty if nothing is left out.</summary>
    public IReadOnlyList<CracCoreDumpOmission> LeftOut { get; internal init; } = [];

    /// <summary>Whether memory or threads are left out that the image should have: -AllowIncomplete.</summary>
    public bool IsIncomplete { get; internal init; }

    /// <summary>The path of the image.</summary>
    public string ImagePath { get; internal init; } = string.Empty;

    /// <inheritdoc/>
    public override string ToString() => Path;
}
