namespace PSCrac;

/// <summary>How an archive is compressed.</summary>
public enum CracArchiveCompression
{
    /// <summary>With zstd.</summary>
    Zstd = 0,

    /// <summary>Not at all: a plain tar file, whose files are read where they are.</summary>
    None,
}
