using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Preflight.Subjects;

/// <summary>The build id of a program or library: the note that the linker writes and that differs for each build (elf(5)).</summary>
internal static class ElfBuildId
{
    private const uint NoteSegment = 4; // PT_NOTE
    private const uint BuildIdNote = 3; // NT_GNU_BUILD_ID
    private const int MaximumNotesLength = 1 << 16;

    /// <summary>Reads it; null if the file is not an ELF file of this machine's byte order, has no build id, or cannot be read.</summary>
    internal static byte[]? TryRead(string path)
    {
        using SafeFileHandle file = LibC.Open(path, LibC.O_RDONLY, out _);
        return file.IsInvalid ? null : TryRead(file);
    }

    /// <summary>The same of an open file.</summary>
    internal static byte[]? TryRead(SafeFileHandle file)
    {
        try
        {
            // The segment table and the notes are nearly always at the start of the file, so one read gets both.
            Span<byte> start = stackalloc byte[4096];
            start = start[..RandomAccess.Read(file, start, 0)];
            if (start.Length < 64 || !start[..4].SequenceEqual("\u007fELF"u8))
            {
                return null;
            }

            bool is64Bit = start[4] == 2;
            long table = is64Bit ? MemoryMarshal.Read<long>(start[32..]) : MemoryMarshal.Read<uint>(start[28..]);
            int size = MemoryMarshal.Read<ushort>(start[(is64Bit ? 54 : 42)..]);
            int count = MemoryMarshal.Read<ushort>(start[(is64Bit ? 56 : 44)..]);
            Span<byte> segment = stackalloc byte[56];
            segment = segment[..(is64Bit ? 56 : 32)];
            for (int i = 0; i < count && size >= segment.Length; i++)
            {
                if (!TryCopy(file, start, table + ((long)i * size), segment))
                {
                    return null;
                }

                if (MemoryMarshal.Read<uint>(segment) == NoteSegment)
                {
                    long offset = is64Bit ? MemoryMarshal.Read<long>(segment[8..]) : MemoryMarshal.Read<uint>(segment[4..]);
                    long length = is64Bit ? MemoryMarshal.Read<long>(segment[32..]) : MemoryMarshal.Read<uint>(segment[16..]);
                    if (length is > 0 and <= MaximumNotesLength && FindIn(file, start, offset, (int)length) is { } id)
                    {
                        return id;
                    }
                }
            }

            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Whether a build id is the one that an image has of a file.</summary>
    /// <param name="expected">What the image has: words of 32 bits, the last one padded.</param>
    /// <param name="actual">The build id.</param>
    internal static bool IsSame(object[] expected, byte[] actual)
    {
        if ((actual.Length + 3) / 4 != expected.Length)
        {
            return false;
        }

        for (int i = 0; i < actual.Length; i++)
        {
            if (expected[i / 4] is not uint word || (byte)(word >> (i % 4 * 8)) != actual[i])
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryCopy(SafeFileHandle file, ReadOnlySpan<byte> start, long offset, Span<byte> target)
    {
        if (offset >= 0 && offset <= start.Length - target.Length)
        {
            start.Slice((int)offset, target.Length).CopyTo(target);
            return true;
        }

        return RandomAccess.Read(file, target, offset) == target.Length;
    }

    private static byte[]? FindIn(SafeFileHandle file, ReadOnlySpan<byte> start, long offset, int length)
    {
        byte[] buffer = new byte[length];
        ReadOnlySpan<byte> notes = TryCopy(file, start, offset, buffer) ? buffer : default;
        while (notes.Length >= 12)
        {
            int nameLength = MemoryMarshal.Read<int>(notes);
            int valueLength = MemoryMarshal.Read<int>(notes[4..]);
            uint type = MemoryMarshal.Read<uint>(notes[8..]);
            if (nameLength < 0 || valueLength < 0 || nameLength > notes.Length || valueLength > notes.Length)
            {
                return null;
            }

            int valueStart = 12 + Align(nameLength);
            if (valueStart + valueLength > notes.Length)
            {
                return null;
            }

            if (type == BuildIdNote && notes.Slice(12, nameLength).SequenceEqual("GNU\0"u8))
            {
                return notes.Slice(valueStart, valueLength).ToArray();
            }

            notes = notes[Math.Min(valueStart + Align(valueLength), notes.Length)..];
        }

        return null;
    }

    private static int Align(int length) => (length + 3) & ~3;
}
