using PSCrac.Images.Storage;
using Xunit;

namespace PSCrac.Tests.Images.Storage;

/// <summary>Reads at any offset of a stream that can only be read forward.</summary>
public class UnpackedContentTests
{
    private static byte[] Make(int blocks)
    {
        byte[] bytes = new byte[(blocks * UnpackedContent.BlockSize) + 1234];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    // A stream like a decompressor's: it gives less than asked for, and cannot seek.
    private static UnpackedContent Open(byte[] bytes) => new(() => new Trickle(new MemoryStream(bytes)));

    private static byte[] Read(UnpackedContent content, long offset, int length)
    {
        byte[] target = new byte[length];
        int done = 0;
        for (int read; done < length && (read = content.ReadAt(offset + done, target.AsSpan(done))) > 0; done += read)
        {
        }

        return target[..done];
    }

    [Fact]
    public void Reads_in_any_order_give_the_right_bytes()
    {
        byte[] bytes = Make(5);
        UnpackedContent content = Open(bytes);
        var random = new Random(11);
        for (int i = 0; i < 500; i++)
        {
            int offset = random.Next(bytes.Length + 1000);
            int length = random.Next(3 * UnpackedContent.BlockSize);
            byte[] expected = offset >= bytes.Length ? [] : bytes[offset..Math.Min(bytes.Length, offset + length)];
            Assert.True(expected.AsSpan().SequenceEqual(Read(content, offset, length)), $"{offset} {length}");
        }
    }

    [Fact]
    public void Sequential_reads_with_short_steps_back_decompress_once()
    {
        byte[] bytes = Make(UnpackedContent.MaximumBlocks + 20);
        UnpackedContent content = Open(bytes);
        for (int at = 0; at < bytes.Length; at += 100_000)
        {
            Read(content, at, 100_000);
            Read(content, Math.Max(0, at - 5_000_000), 100);
        }

        Assert.Equal(1, content.StartCount);
    }

    [Fact]
    public void A_read_far_back_does_not_restart_a_sequential_reader()
    {
        byte[] bytes = Make(UnpackedContent.MaximumBlocks * 2);
        UnpackedContent content = Open(bytes);
        int behind = 0;
        for (int at = bytes.Length / 2; at < bytes.Length; at += UnpackedContent.BlockSize)
        {
            Assert.Equal(bytes[at..Math.Min(bytes.Length, at + 100)], Read(content, at, 100));
            Assert.Equal(bytes[behind..(behind + 100)], Read(content, behind, 100));
            behind += 1000;
        }

        Assert.InRange(content.StartCount, 1, 2);
    }

    [Fact]
    public void A_failure_is_thrown_each_time_and_later_reads_work()
    {
        byte[] bytes = Make(3);
        int opened = 0;
        var content = new UnpackedContent(() => new Trickle(new MemoryStream(bytes)) { FailsAt = opened++ == 0 ? UnpackedContent.BlockSize + 10 : long.MaxValue });
        Assert.Equal(bytes[..10], Read(content, 0, 10));
        Assert.Throws<InvalidDataException>(() => Read(content, UnpackedContent.BlockSize, 10));
        Assert.Equal(bytes[..10], Read(content, 0, 10));
        Assert.Equal(bytes[UnpackedContent.BlockSize..(UnpackedContent.BlockSize + 10)], Read(content, UnpackedContent.BlockSize, 10));
    }

    [Fact]
    public void Several_threads_may_read()
    {
        byte[] bytes = Make(8);
        UnpackedContent content = Open(bytes);
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            int offset = i * 9973 % (bytes.Length - 5000);
            Assert.True(bytes.AsSpan(offset, 5000).SequenceEqual(Read(content, offset, 5000)));
        });
    }

    private sealed class Trickle(Stream inner) : Stream
    {
        private long _position;

        internal long FailsAt { get; init; } = long.MaxValue;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            if (_position >= FailsAt)
            {
                throw new InvalidDataException("broken here");
            }

            int read = inner.Read(buffer[..Math.Min(buffer.Length, 30_000)]);
            _position += read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
