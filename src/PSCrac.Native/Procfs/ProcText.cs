using System.Buffers;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// The content of one proc file in a rented buffer. proc files report no size and are
/// generated for each reader, so a file is read to its end in as few calls as possible.
/// </summary>
internal ref struct ProcText
{
    private byte[]? _rented;
    private readonly int _length;

    private ProcText(byte[] rented, int length)
    {
        _rented = rented;
        _length = length;
    }

    /// <summary>The bytes; empty after <see cref="Dispose"/>.</summary>
    internal readonly ReadOnlySpan<byte> Bytes => _rented is null ? default : _rented.AsSpan(0, _length);

    /// <summary>Reads an open file to its end. False if the process has ended or the read was refused.</summary>
    internal static bool TryRead(SafeFileHandle file, int expectedLength, out ProcText text, out Errno error)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(expectedLength);
        int length = 0;
        while (true)
        {
            int count = LibC.Read(file, buffer.AsSpan(length), out error);
            if (count < 0)
            {
                ArrayPool<byte>.Shared.Return(buffer);
                text = default;
                return false;
            }

            if (count == 0)
            {
                text = new ProcText(buffer, length);
                return true;
            }

            length += count;
            if (length == buffer.Length)
            {
                byte[] larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                buffer.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = larger;
            }
        }
    }

    /// <summary>Reads a file by its full path.</summary>
    internal static bool TryRead(string path, out ProcText text, int expectedLength = 4096)
    {
        using SafeFileHandle file = LibC.Open(path, LibC.O_RDONLY, out _);
        if (file.IsInvalid)
        {
            text = default;
            return false;
        }

        return TryRead(file, expectedLength, out text, out _);
    }

    /// <summary>The content as text. Bytes that are not UTF-8 become U+FFFD.</summary>
    public override readonly string ToString() => Encoding.UTF8.GetString(Bytes);

    /// <summary>Returns the buffer to the pool.</summary>
    public void Dispose()
    {
        if (_rented is not null)
        {
            ArrayPool<byte>.Shared.Return(_rented);
            _rented = null;
        }
    }
}
