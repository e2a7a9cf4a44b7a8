using System.Globalization;

namespace PSCrac;

/// <summary>Why a part of a process's memory is not in its core.</summary>
public enum CracOmissionReason
{
    /// <summary>It is in the mapped file, where debuggers look for it; -IncludeFile All puts it into the core.</summary>
    InFile = 0,

    /// <summary>The mapped file is another one than at the checkpoint: its size, its time or its build id differ.</summary>
    FileChanged,

    /// <summary>The mapped file does not exist, or cannot be read.</summary>
    FileMissing,

    /// <summary>Memory of a device, a socket or the kernel, which no image has.</summary>
    NotDumped,

    /// <summary>Lazy pages, which the checkpoint left in the process.</summary>
    Lazy,

    /// <summary>The parent image is missing, or does not have the pages.</summary>
    MissingInParent,

    /// <summary>A file of the image is missing, or was cut off.</summary>
    ImageCut,
}

/// <summary>A part of a process's memory, or a thread, that is not in its core.</summary>
public sealed class CracCoreDumpOmission
{
    internal CracCoreDumpOmission(CracOmissionReason reason, string path, long size)
    {
        Reason = reason;
        Path = path;
        Size = size;
    }

    /// <summary>Why it is not.</summary>
    public CracOmissionReason Reason { get; }

    /// <summary>The mapped file, or the file of the image; empty for memory without one.</summary>
    public string Path { get; }

    /// <summary>How much of it, in bytes; 0 for a thread.</summary>
    public long Size { get; }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Reason}: {Path} ({Size:N0} bytes)");
}
