using System.Buffers.Binary;

namespace PSCrac.CoreDumps;

/// <summary>
/// The beginning of a core: the ELF header, the program headers, and where these are more than the header can count, a section header with
/// their number (PN_XNUM of elf(5)). Notes follow, and at the next page the memory.
/// </summary>
internal static class CoreHeader
{
    private const int HeaderSize = 64;
    private const int ProgramHeaderSize = 56;
    private const int SectionHeaderSize = 64;
    private const int ExtendedNumber = 0xffff; // PN_XNUM
    private const uint LoadSegment = 1; // PT_LOAD
    private const uint NoteSegment = 4; // PT_NOTE
    private const ushort CoreType = 4; // ET_CORE
    private const int NoteAlignment = 4;

    /// <summary>Writes it, with the notes, up to where the memory begins.</summary>
    /// <param name="output">The output, at its beginning.</param>
    /// <param name="machine">The number of the architecture.</param>
    /// <param name="pageSize">The size of a page, in bytes, to which the memory is aligned.</param>
    /// <param name="segments">The segments.</param>
    /// <param name="notes">The notes.</param>
    internal static void Write(CoreOutput output, ushort machine, int pageSize, IReadOnlyList<CoreSegment> segments, ReadOnlySpan<byte> notes)
    {
        int count = segments.Count + 1;
        bool isExtended = count >= ExtendedNumber;
        long tableEnd = HeaderSize + ((long)count * ProgramHeaderSize);
        long notesStart = tableEnd + (isExtended ? SectionHeaderSize : 0);
        long memoryStart = (notesStart + notes.Length + pageSize - 1) / pageSize * pageSize;

        Span<byte> header = stackalloc byte[HeaderSize];
        header.Clear();
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(header); // 64 bits, little endian, version 1
        BinaryPrimitives.WriteUInt16LittleEndian(header[16..], CoreType);
        BinaryPrimitives.WriteUInt16LittleEndian(header[18..], machine);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], HeaderSize);
        BinaryPrimitives.WriteInt64LittleEndian(header[40..], isExtended ? tableEnd : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(header[52..], HeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(header[54..], ProgramHeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(header[56..], (ushort)Math.Min(count, ExtendedNumber));
        BinaryPrimitives.WriteUInt16LittleEndian(header[58..], (ushort)(isExtended ? SectionHeaderSize : 0));
        BinaryPrimitives.WriteUInt16LittleEndian(header[60..], (ushort)(isExtended ? 1 : 0));
        output.Write(header);

        WriteProgramHeaders(output, pageSize, segments, notesStart, notes.Length, memoryStart);
        if (isExtended)
        {
            Span<byte> section = stackalloc byte[SectionHeaderSize];
            section.Clear();
            BinaryPrimitives.WriteInt64LittleEndian(section[32..], 1); // sh_size: the number of section headers
            BinaryPrimitives.WriteInt32LittleEndian(section[44..], count); // sh_info: the number of program headers
            output.Write(section);
        }

        output.Write(notes);
        output.Skip(memoryStart - output.Position);
    }

    private static void WriteProgramHeaders(CoreOutput output, int pageSize, IReadOnlyList<CoreSegment> segments, long notesStart, int notesLength, long memoryStart)
    {
        const int Batch = 1024;
        byte[] buffer = new byte[Batch * ProgramHeaderSize];
        Put(buffer, 0, NoteSegment, 0, notesStart, new CoreSegment(0, 0, (ulong)notesLength, 0), NoteAlignment);
        int filled = 1;
        long offset = memoryStart;
        for (int i = 0; i < segments.Count; i++)
        {
            if (filled == Batch)
            {
                output.Write(buffer);
                filled = 0;
            }

            Put(buffer, filled++, LoadSegment, segments[i].Flags, offset, segments[i], pageSize);
            offset += (long)segments[i].FileSize;
        }

        output.Write(buffer.AsSpan(0, filled * ProgramHeaderSize));
    }

    private static void Put(byte[] buffer, int index, uint type, uint flags, long offset, in CoreSegment segment, int alignment)
    {
        Span<byte> header = buffer.AsSpan(index * ProgramHeaderSize, ProgramHeaderSize);
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], flags);
        BinaryPrimitives.WriteInt64LittleEndian(header[8..], offset);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], segment.Address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], 0);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], segment.FileSize);
        BinaryPrimitives.WriteUInt64LittleEndian(header[40..], segment.MemorySize);
        BinaryPrimitives.WriteInt64LittleEndian(header[48..], alignment);
    }
}
