using System.Security.Cryptography;
using PSCrac.Common;
using Xunit;

namespace PSCrac.Tests.Common;

/// <summary>The hash that is computed without OpenSSL is the one that the runtime computes, and that of the standard's own examples.</summary>
public class Sha256Tests
{
    [Theory]
    [InlineData("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    public void It_is_that_of_the_standard(string input, string expected)
    {
        byte[] hash = new byte[Sha256.Length];
        Sha256.Hash(System.Text.Encoding.ASCII.GetBytes(input), hash);
        Assert.Equal(expected, Convert.ToHexStringLower(hash));
    }

    [Fact]
    public void It_is_that_of_the_runtime_for_every_length_about_a_block_and_a_long_input()
    {
        var random = new Random(1);
        byte[] hash = new byte[Sha256.Length];
        foreach (int length in Enumerable.Range(0, 200).Append(100_003))
        {
            byte[] input = new byte[length];
            random.NextBytes(input);
            Sha256.HashHere(input, hash);
            Assert.Equal(SHA256.HashData(input), hash);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_does_not_depend_on_the_parts(bool isFaster)
    {
        var random = new Random(2);
        byte[] input = new byte[10_000];
        random.NextBytes(input);
        for (int run = 0; run < 100; run++)
        {
            using Sha256 parts = isFaster ? new Sha256() : Sha256.Here();
            for (int at = 0; at < input.Length;)
            {
                int length = Math.Min(random.Next(200), input.Length - at);
                parts.Append(input.AsSpan(at, length));
                at += length;
            }

            byte[] hash = new byte[Sha256.Length];
            parts.Finish(hash);
            Assert.Equal(SHA256.HashData(input), hash);
        }
    }
}
