namespace PSCrac;

/// <summary>A match of a search in a process's memory.</summary>
public sealed class CracMemoryMatch
{
    internal CracMemoryMatch(CracImageProcess process, CracImageMemoryArea? area, ulong address, int length, byte[] context, int start)
        : this(process.Image, process, area, area?.Path ?? "", address, length, context, start)
    {
    }

    internal CracMemoryMatch(CracImage image, CracImageProcess? holder, string location, ulong offset, int length, byte[] context, int start)
        : this(image, holder, null, location, offset, length, context, start)
    {
    }

    private CracMemoryMatch(
        CracImage image, CracImageProcess? process, CracImageMemoryArea? area, string location, ulong address, int length, byte[] context, int start)
    {
        ImagePath = image.Path;
        Process = process;
        Area = area;
        Location = location;
        Address = address;
        Length = length;
        ContextBytes = context;
        ContextStart = start;
    }

    /// <summary>The process id; null if no process had the memory mapped or open.</summary>
    public int? ProcessId => Process?.ProcessId;

    /// <summary>The process's command name; null if no process had the memory mapped or open.</summary>
    public string? Command => Process?.Command;

    /// <summary>
    /// The process whose memory it is or, for an unmapped part of a memfd, that had it open; null if no process
    /// had the memory mapped or open, such as a System V segment without attached processes.
    /// </summary>
    internal CracImageProcess? Process { get; }

    /// <summary>The path of the image.</summary>
    public string ImagePath { get; }

    /// <summary>The memory area; null if the memory is not mapped or the image does not list the area.</summary>
    public CracImageMemoryArea? Area { get; }

    /// <summary>The area's path, empty for private anonymous memory; for unmapped memory, "/memfd:" and its name, "[shmem]" or "[sysv]".</summary>
    public string Location { get; }

    /// <summary>The address of the match in the process; for unmapped memory (<see cref="Area"/> is null), the offset in that memory.</summary>
    public ulong Address { get; }

    /// <summary>The match's length, in bytes.</summary>
    public int Length { get; }

    /// <summary>The matching bytes.</summary>
    internal byte[] Bytes => ContextBytes[ContextStart..(ContextStart + Length)];

    /// <summary>The match with the surrounding bytes, as text; bytes that are not printable ASCII are shown as dots.</summary>
    public string Context => string.Create(ContextBytes.Length, ContextBytes, static (text, bytes) =>
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            text[i] = bytes[i] is >= 0x20 and < 0x7f ? (char)bytes[i] : '.';
        }
    });

    /// <summary>The match with the surrounding bytes.</summary>
    internal byte[] ContextBytes { get; }

    /// <summary>The index of the match in the context.</summary>
    public int ContextStart { get; }

    /// <summary>Reads memory from the start of the match.</summary>
    /// <param name="length">The number of bytes, 0 to 2,147,483,591.</param>
    /// <returns>The bytes; fewer than requested if the image does not have the next byte.</returns>
    /// <exception cref="CracException">
    /// The memory is not mapped by any process (MemoryNotInImage); use <see cref="ContextBytes"/>.
    /// </exception>
    public byte[] ReadMemory(int length)
    {
        if (Process is not null && Area is not null)
        {
            return Process.ReadMemory(Address, length);
        }

        throw new CracException(
            CracReason.MemoryNotInImage,
            $"The match has no address to read from: it is {(Location.Length > 0 ? $"in an unmapped part of {Location}" : "not in a memory area")}.",
            "Use the match's Bytes and ContextBytes; Search-CracImage -Context 4096 gives more of the surrounding bytes.")
        {
            Operation = CracOperation.Read,
            ProcessId = ProcessId,
            ImagePath = ImagePath,
        };
    }

    /// <inheritdoc/>
    public override string ToString() => $"{(Process is null ? Location : $"{Command} ({ProcessId})")} 0x{Address:x}: {Context}";
}
