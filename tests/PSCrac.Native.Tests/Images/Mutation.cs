using System.Buffers.Binary;

namespace PSCrac.Tests.Images;

/// <summary>Damages the bytes of a file at random.</summary>
internal static class Mutation
{
    /// <summary>A copy with one to three changes: bits, bytes, lengths made huge, parts left out, doubled or inserted, an end that is missing.</summary>
    internal static byte[] Damage(byte[] sound, Random random)
    {
        byte[] bytes = [.. sound];
        for (int times = random.Next(1, 4); times > 0 && bytes.Length > 0; times--)
        {
            int at = random.Next(bytes.Length);
            switch (random.Next(7))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes = bytes[..at];
                    break;
                case 3 when bytes.Length >= 4:
                    // A length, wherever one may be, made huge.
                    BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(Math.Min(at, bytes.Length - 4)), random.Next(2) == 0 ? uint.MaxValue : (uint)random.Next());
                    break;
                case 4:
                    bytes.AsSpan(at, Math.Min(random.Next(1, 12), bytes.Length - at)).Fill(0xff);
                    break;
                case 5:
                    bytes = [.. bytes[..at], .. bytes[random.Next(bytes.Length)..]];
                    break;
                default:
                    byte[] noise = new byte[random.Next(1, 64)];
                    random.NextBytes(noise);
                    bytes = [.. bytes[..at], .. noise, .. bytes[at..]];
                    break;
            }
        }

        return bytes;
    }
}
