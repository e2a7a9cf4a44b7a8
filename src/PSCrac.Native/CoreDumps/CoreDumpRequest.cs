namespace PSCrac.CoreDumps;

/// <summary>A process of an image of which a core is made, and how.</summary>
internal sealed record CoreDumpRequest
{
    /// <summary>The process.</summary>
    internal required CracImageProcess Process { get; init; }

    /// <summary>The full path of the core.</summary>
    internal required string DestinationPath { get; init; }

    /// <summary>How much of mapped files is in it.</summary>
    internal CracIncludeFile IncludeFile { get; init; }

    /// <summary>Whether threads in a system call keep the registers of the image, with which a restore repeats the call.</summary>
    internal bool KeepRegister { get; init; }

    /// <summary>Whether it is compressed; a compressed core has to be decompressed for a debugger.</summary>
    internal CracArchiveCompression Compression { get; init; } = CracArchiveCompression.None;

    /// <summary>Whether what the image lacks is left out. Otherwise it is an error.</summary>
    internal bool AllowIncomplete { get; init; }

    /// <summary>Whether a file at the path is replaced.</summary>
    internal bool Force { get; init; }
}
