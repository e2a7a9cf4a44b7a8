using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace PSCrac.Common;

/// <summary>
/// SHA-256 (FIPS 180-4). The runtime's own loads OpenSSL at its first use, which takes a program that was compiled ahead longer than all
/// hashes of an image, and 4 MB of memory, and ends the process where there is none. So small inputs are hashed here, and large ones
/// where OpenSSL is missing.
/// </summary>
internal sealed class Sha256 : IDisposable
{
    /// <summary>The length of a hash, in bytes.</summary>
    internal const int Length = 32;

    private const int BlockSize = 64;
    private const int Rounds = 64;
    private const int Small = 64 * 1024;

    private readonly uint[] _state = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    private readonly byte[] _rest = new byte[BlockSize];
    private readonly IncrementalHash? _faster;
    private ulong _length;

    /// <summary>Begins the hash of an input of any length, which is appended part by part.</summary>
    internal Sha256()
        : this(OpenSsl.IsAvailable)
    {
    }

    private Sha256(bool isFaster) => _faster = isFaster ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;

    private int RestLength => (int)(_length % BlockSize);

    private static ReadOnlySpan<uint> RoundConstants =>
    [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];

    /// <summary>Hashes a whole input.</summary>
    /// <param name="input">The input.</param>
    /// <param name="hash">Receives the hash, <see cref="Length"/> bytes.</param>
    internal static void Hash(ReadOnlySpan<byte> input, Span<byte> hash)
    {
        if (input.Length > Small && OpenSsl.IsAvailable)
        {
            SHA256.HashData(input, hash);
        }
        else
        {
            HashHere(input, hash);
        }
    }

    /// <summary>Begins a hash without OpenSSL.</summary>
    internal static Sha256 Here() => new(isFaster: false);

    /// <summary>Hashes a whole input without OpenSSL.</summary>
    internal static void HashHere(ReadOnlySpan<byte> input, Span<byte> hash)
    {
        using Sha256 here = Here();
        here.Append(input);
        here.Finish(hash);
    }

    /// <summary>Appends a part of the input.</summary>
    internal void Append(ReadOnlySpan<byte> part)
    {
        if (_faster is not null)
        {
            _faster.AppendData(part);
            return;
        }

        Span<uint> schedule = stackalloc uint[Rounds];
        int filled = RestLength;
        _length += (ulong)part.Length;
        if (filled > 0)
        {
            int taken = Math.Min(BlockSize - filled, part.Length);
            part[..taken].CopyTo(_rest.AsSpan(filled));
            part = part[taken..];
            if (filled + taken < BlockSize)
            {
                return;
            }

            Add(_state, schedule, _rest);
        }

        for (; part.Length >= BlockSize; part = part[BlockSize..])
        {
            Add(_state, schedule, part[..BlockSize]);
        }

        part.CopyTo(_rest);
    }

    /// <summary>Gives the hash. Nothing can be appended any more.</summary>
    /// <param name="hash">Receives the hash, <see cref="Length"/> bytes.</param>
    internal void Finish(Span<byte> hash)
    {
        if (_faster is not null)
        {
            _faster.GetHashAndReset(hash);
            return;
        }

        // The rest, a bit that is set, zeros, and the length in bits: one block or two.
        Span<uint> schedule = stackalloc uint[Rounds];
        Span<byte> last = stackalloc byte[2 * BlockSize];
        last.Clear();
        int length = RestLength;
        _rest.AsSpan(0, length).CopyTo(last);
        last[length] = 0x80;
        int padded = length < BlockSize - sizeof(ulong) ? BlockSize : 2 * BlockSize;
        BinaryPrimitives.WriteUInt64BigEndian(last[(padded - sizeof(ulong))..], _length * 8);
        for (int at = 0; at < padded; at += BlockSize)
        {
            Add(_state, schedule, last.Slice(at, BlockSize));
        }

        for (int i = 0; i < _state.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(hash[(i * sizeof(uint))..], _state[i]);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _faster?.Dispose();

    private static void Add(Span<uint> state, Span<uint> w, ReadOnlySpan<byte> block)
    {
        for (int i = 0; i < 16; i++)
        {
            w[i] = BinaryPrimitives.ReadUInt32BigEndian(block[(i * sizeof(uint))..]);
        }

        for (int i = 16; i < Rounds; i++)
        {
            uint before = w[i - 15];
            uint after = w[i - 2];
            w[i] = w[i - 16] + w[i - 7]
                + (BitOperations.RotateRight(before, 7) ^ BitOperations.RotateRight(before, 18) ^ (before >> 3))
                + (BitOperations.RotateRight(after, 17) ^ BitOperations.RotateRight(after, 19) ^ (after >> 10));
        }

        (uint a, uint b, uint c, uint d, uint e, uint f, uint g, uint h) = (state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]);
        for (int i = 0; i < Rounds; i++)
        {
            uint one = h + (BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25))
                + ((e & f) ^ (~e & g)) + RoundConstants[i] + w[i];
            uint two = (BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + one, c, b, a, one + two);
        }

        (state[0], state[1], state[2], state[3]) = (state[0] + a, state[1] + b, state[2] + c, state[3] + d);
        (state[4], state[5], state[6], state[7]) = (state[4] + e, state[5] + f, state[6] + g, state[7] + h);
    }
}
