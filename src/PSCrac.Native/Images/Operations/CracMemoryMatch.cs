namespace PSCrac;

/// <summary>A place in a process's memory that matches what was searched for.</summary>
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

    /// <summary>The process's id; null where no process had the memory mapped or open.</summary>
    public int? ProcessId => Process?.ProcessId;

    /// <summary>The process's short name; null where no process had the memory mapped or open.</summary>
    public string? Command => Process?.Command;

    /// <summary>
    /// The process whose memory it is, or, for a memfd that is not mapped there, that had it open; null where no process
    /// had the memory mapped or open, as a System V segment that nobody was attached to.
    /// </summary>
    internal CracImageProcess? Process { get; }

    /// <summary>The image it is in.</summary>
    public string ImagePath { get; }

    /// <summary>The area it is in; null where it is not mapped, or the image does not list the area.</summary>
    public CracImageMemoryArea? Area { get; }

    /// <summary>What it is in: the area's path, which is empty for private anonymous memory; of memory that is not mapped, "/memfd:" and its name, or "[sysv]".</summary>
    public string Location { get; }

    /// <summary>The first byte's address in the process; of memory that is not mapped (<see cref="Area"/> is null), how far it is from that memory's beginning.</summary>
    public ulong Address { get; }

    /// <summary>The match's length, in bytes.</summary>
    public int Length { get; }

    /// <summary>The bytes that match.</summary>
    internal byte[] Bytes => ContextBytes[ContextStart..(ContextStart + Length)];

    /// <summary>The match with what is around it, as text: what is not printable ASCII is shown as a dot.</summary>
    public string Context => string.Create(ContextBytes.Length, ContextBytes, static (text, bytes) =>
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            text[i] = bytes[i] is >= 0x20 and < 0x7f ? (char)bytes[i] : '.';
        }
    });

    /// <summary>The match with what is around it.</summary>
    internal byte[] ContextBytes { get; }

    /// <summary>Where in the context the match begins.</summary>
    public int ContextStart { get; }

    /// <summary>Reads the memory from where the match begins.</summary>
    /// <param name="length">How many bytes, 0 to 2,147,483,591.</param>
    /// <returns>The bytes: fewer than asked for where the image has no more without a gap.</returns>
    /// <exception cref="CracException">
    /// The memory is mapped by no process (MemoryNotInImage): what is known of it is in <see cref="ContextBytes"/>.
    /// </exception>
    public byte[] ReadMemory(int length)
    {
        if (Process is not null && Area is not null)
        {
            return Process.ReadMemory(Address, length);
        }

        throw new CracException(
            CracReason.MemoryNotInImage,
            $"The match is {(Location.Length > 0 ? $"in {Location}, which is not mapped there" : "in no area")}: it has no address to read on from.",
            "Its Bytes and ContextBytes are what was found; Search-CracImage -Context 4096 gives more of what stands around it.")
        {
            ImagePath = ImagePath,
            ProcessId = ProcessId,
        };
    }

    /// <inheritdoc/>
    public override string ToString() => $"{(Process is null ? Location : $"{Command} ({ProcessId})")} 0x{Address:x}: {Context}";
}
