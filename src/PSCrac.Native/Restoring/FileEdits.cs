namespace PSCrac.Restoring;

/// <summary>A file of a file system as an image's open file: what criu is to open.</summary>
/// <param name="Path">Its path, absolute.</param>
/// <param name="Flags">As open(2) takes them.</param>
/// <param name="Position">Where reading or writing goes on; null not to set one.</param>
internal sealed record OpenRegularFile(string Path, uint Flags, ulong? Position);

/// <summary>What is to change in an image's table of open files and in the processes' tables of descriptors.</summary>
internal sealed class FileEdits
{
    /// <summary>Open files that become other ones, by id. A regular file stays what it was, apart from what is said here.</summary>
    internal Dictionary<uint, OpenRegularFile> Changed { get; } = [];

    /// <summary>New open files, by an id that no other has.</summary>
    internal Dictionary<uint, OpenRegularFile> Added { get; } = [];

    /// <summary>Descriptors that lead to another open file: the id and the number they have, and the new id.</summary>
    internal Dictionary<(uint Id, int Descriptor), uint> Moved { get; } = [];

    internal bool IsEmpty => Changed.Count == 0 && Added.Count == 0 && Moved.Count == 0;
}
