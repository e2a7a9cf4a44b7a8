using PSCrac.Images.Memory;
using Xunit;

namespace PSCrac.Tests.Images.Memory;

/// <summary>Decodes LZ4 blocks: what was encoded, and what is damaged.</summary>
public class Lz4BlockTests
{
    [Fact]
    public void A_block_written_by_hand_decodes_as_the_format_says()
    {
        // 4 literals, a match of 9 that overlaps itself, then 5 last literals.
        Span<byte> target = new byte[18];
        Assert.True(Lz4Block.TryDecode([0x45, (byte)'a', (byte)'b', (byte)'c', (byte)'d', 2, 0, 0x50, 1, 2, 3, 4, 5], target));
        Assert.Equal([.. "abcdcdcdcdcdc"u8, 1, 2, 3, 4, 5], target.ToArray());

        // The same into a target of another length.
        Assert.False(Lz4Block.TryDecode([0x45, (byte)'a', (byte)'b', (byte)'c', (byte)'d', 2, 0, 0x50, 1, 2, 3, 4, 5], new byte[17]));
        Assert.False(Lz4Block.TryDecode([0x45, (byte)'a', (byte)'b', (byte)'c', (byte)'d', 2, 0, 0x50, 1, 2, 3, 4, 5], new byte[19]));
    }

    [Fact]
    public void What_was_encoded_comes_back()
    {
        var random = new Random(7);
        foreach (int length in (int[])[1, 5, 13, 100, 4096, 65_536, 262_144, 300_000])
        {
            foreach (int alphabet in (int[])[1, 2, 16, 256])
            {
                byte[] sound = new byte[length];
                for (int i = 0; i < length; i++)
                {
                    // Long repeats, and distances up to the largest.
                    sound[i] = i > 70_000 && i % 3 != 0 ? sound[i - 65_535] : (byte)random.Next(alphabet);
                }

                byte[] target = new byte[length];
                Assert.True(Lz4Block.TryDecode(Lz4Writer.Encode(sound), target), $"{length} bytes of {alphabet}");
                Assert.Equal(sound, target);
            }
        }
    }

    [Fact]
    public void Damage_is_refused_and_nothing_outside_of_the_target_is_written()
    {
        Span<byte> five = [1, 2, 3, 4, 5];
        foreach ((string what, byte[] block) in ((string, byte[])[])
        [
            ("nothing", []),
            ("a distance of 0", [0x14, 1, 0, 0, 0x50, .. five]),
            ("a distance before the start", [0x14, 1, 2, 0, 0x50, .. five]),
            ("more literals than there are", [0xf0, 200, 1, 2]),
            ("a length without an end", [0xf0, 255, 255, 255]),
            ("a distance cut off", [0x14, 1, 1]),
            ("a match at the end", [0x17, 1, 1, 0, 0x00]),
            ("no literals after a match", [0x14, 1, 1, 0]),
            ("a huge match", [0x1f, 1, 1, 0, .. Enumerable.Repeat((byte)255, 1000), 0, 0x50, .. five]),
        ])
        {
            byte[] around = [.. Enumerable.Repeat((byte)0xee, 8 + 14 + 8)];
            Assert.False(Lz4Block.TryDecode(block, around.AsSpan(8, 14)), what);
            Assert.All(around[..8].Concat(around[22..]), each => Assert.Equal(0xee, each));
        }
    }

    [Fact]
    public void Random_damage_ends_in_an_answer()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("CRAC_FUZZ_SEED"), out int given) ? given : Environment.TickCount;
        Console.WriteLine($"fuzz of LZ4 blocks: seed {seed}");
        var random = new Random(seed);
        byte[] text = new byte[8192];
        for (int i = 0; i < text.Length; i++)
        {
            text[i] = (byte)(random.Next(4) == 0 ? random.Next(256) : i / 50);
        }

        byte[] sound = Lz4Writer.Encode(text);
        byte[] target = new byte[text.Length];
        int refused = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] damaged = i % 10 == 0 ? Noise(random) : Mutation.Damage(sound, random);
            refused += Lz4Block.TryDecode(damaged, target) ? 0 : 1;
        }

        // Damaged literals decode to other bytes; damaged lengths and distances rarely fit.
        Assert.InRange(refused, 2_000, 20_000);
        Assert.True(Lz4Block.TryDecode(sound, target));
        Assert.Equal(text, target);
    }

    private static byte[] Noise(Random random)
    {
        byte[] noise = new byte[random.Next(0, 5000)];
        random.NextBytes(noise);
        return noise;
    }
}
