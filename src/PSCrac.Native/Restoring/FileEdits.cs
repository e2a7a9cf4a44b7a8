namespace PSCrac.Restoring;

/// <summary>A regular file for criu to open, as an entry of an image's table of open files.</summary>
/// <param name="Path">Its path, absolute.</param>
/// <param name="Flags">As open(2) takes them.</param>
/// <param name="Position">The file offset, bytes; null to set none.</param>
internal sealed record OpenRegularFile(string Path, uint Flags, ulong? Position);

/// <summary>Edits of an image for one restore: of its table of open files, its processes' descriptor tables and its threads' core files.</summary>
internal sealed class FileEdits
{
    /// <summary>Open files to replace, by id. A regular file keeps the properties that <see cref="OpenRegularFile"/> does not have.</summary>
    internal Dictionary<uint, OpenRegularFile> Changed { get; } = [];

    /// <summary>New open files, by unused ids.</summary>
    internal Dictionary<uint, OpenRegularFile> Added { get; } = [];

    /// <summary>Descriptors to redirect: the present id of the open file and the descriptor's number, and the new id.</summary>
    internal Dictionary<(uint Id, int Descriptor), uint> Moved { get; } = [];

    /// <summary>Core files whose threads lose their parent-death signal.</summary>
    internal HashSet<string> WithoutParentDeathSignal { get; } = new(StringComparer.Ordinal);

    internal bool IsEmpty => Changed.Count == 0 && Added.Count == 0 && Moved.Count == 0 && WithoutParentDeathSignal.Count == 0;
}
