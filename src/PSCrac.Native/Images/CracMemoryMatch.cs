namespace PSCrac;

/// <summary>A place in a process's memory that matches what was searched for.</summary>
public sealed class CracMemoryMatch
{
    private readonly int _start;

    internal CracMemoryMatch(CracImageProcess process, CracImageMemoryArea? area, ulong address, int length, byte[] context, int start)
    {
        Process = process;
        Area = area;
        Address = address;
        Length = length;
        ContextBytes = context;
        _start = start;
    }

    /// <summary>The process's id.</summary>
    public int ProcessId => Process.ProcessId;

    /// <summary>The process's short name.</summary>
    public string Command => Process.Command;

    /// <summary>The process.</summary>
    public CracImageProcess Process { get; }

    /// <summary>The image it is in.</summary>
    public string ImagePath => Process.Image.Path;

    /// <summary>The area it is in; null where the image does not list it.</summary>
    public CracImageMemoryArea? Area { get; }

    /// <summary>The first byte's address.</summary>
    public ulong Address { get; }

    /// <summary>The match's length, in bytes.</summary>
    public int Length { get; }

    /// <summary>The bytes that match.</summary>
    public byte[] Bytes => ContextBytes[_start..(_start + Length)];

    /// <summary>The match with what is around it, as text: what is not printable ASCII is shown as a dot.</summary>
    public string Context => string.Create(ContextBytes.Length, ContextBytes, static (text, bytes) =>
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            text[i] = bytes[i] is >= 0x20 and < 0x7f ? (char)bytes[i] : '.';
        }
    });

    /// <summary>The match with what is around it.</summary>
    public byte[] ContextBytes { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{Command} ({ProcessId}) 0x{Address:x}: {Context}";
}
