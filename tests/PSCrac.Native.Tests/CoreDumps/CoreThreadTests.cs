using PSCrac.CoreDumps;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;
using PSCrac.Tests.Images.Format;
using Xunit;

namespace PSCrac.Tests.CoreDumps;

/// <summary>The registers of threads, arranged as the kernel arranges them in a core: from messages written here, for each architecture.</summary>
public sealed class CoreThreadTests : IDisposable
{
    private readonly ImageFolder _image = new();

    [Fact]
    public void The_registers_of_x64_are_in_the_order_of_user_regs_struct()
    {
        // struct user_regs_struct: r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss fs_base gs_base ds es fs gs.
        ProtobufWriter registers = new();
        for (int field = 27; field >= 1; field--)
        {
            registers.WriteVarint(field, 0x8000_0000_0000_0000 + (ulong)field);
        }

        CoreThread thread = Read(X64(registers, Fxsave(null)));

        Assert.Equal(336, thread.Layout.StatusSize);
        for (int i = 0; i < 27; i++)
        {
            Assert.Equal(0x8000_0000_0000_0000 + (ulong)i + 1, ElfCore.U64(thread.Registers, i * 8));
        }

        Assert.Empty(thread.Extended);
        Assert.Empty(thread.ThreadPointer);
    }

    [Fact]
    public void The_floating_registers_of_x64_are_as_fxsave_stores_them()
    {
        CoreThread thread = Read(X64(new(), Fxsave(null)));
        byte[] expected = new byte[512];
        new byte[] { 0x7f, 0x03, 0x02, 0x01, 0x04, 0, 0x05, 0 }.CopyTo(expected, 0);
        expected[8] = 6;
        expected[16] = 7;
        expected[24] = 0x80;
        expected[25] = 0x1f;
        expected[28] = 0xff;
        expected[29] = 0xff;
        for (int i = 0; i < 32; i++)
        {
            expected[32 + (i * 4)] = (byte)(i + 1);
        }

        for (int i = 0; i < 64; i++)
        {
            expected[160 + (i * 4)] = (byte)(i + 100);
        }

        Assert.Equal(expected, thread.Floating);
    }

    [Theory]
    [InlineData(0, 576, 0x3ul)]
    [InlineData(1, 832, 0x7ul)]
    [InlineData(3, 1088, 0x1ful)]
    [InlineData(6, 2688, 0xfful)]
    [InlineData(7, 2696, 0x2fful)]
    public void The_extended_state_of_x64_ends_with_its_last_feature(int features, int size, ulong mask)
    {
        // Field, offset, width and count of each, in the standard layout.
        (int Field, int Offset, int Width, int Count)[] rows =
            [(2, 576, 4, 64), (3, 960, 8, 8), (4, 1024, 8, 2), (5, 1088, 8, 8), (6, 1152, 8, 64), (7, 1664, 8, 128), (8, 2688, 4, 2)];
        ProtobufWriter xsave = new ProtobufWriter().WriteVarint(1, 0x2e7);
        foreach ((int field, _, _, int count) in rows[..features])
        {
            for (int i = 0; i < count; i++)
            {
                xsave.WriteVarint(field, (ulong)((field * 1000) + i));
            }
        }

        CoreThread thread = Read(X64(new(), Fxsave(xsave)));

        Assert.Equal(size, thread.Extended.Length);
        Assert.Equal(mask, ElfCore.U64(thread.Extended, 464));
        Assert.Equal(0x2e7u, ElfCore.U64(thread.Extended, 512));
        Assert.Equal(thread.Floating[..464], thread.Extended[..464]);
        foreach ((int field, int offset, int width, int count) in rows[..features])
        {
            for (int i = 0; i < count; i++)
            {
                Assert.Equal((byte)((field * 1000) + i), thread.Extended[offset + (i * width)]);
                Assert.Equal((byte)(((field * 1000) + i) >> 8), thread.Extended[offset + (i * width) + 1]);
            }
        }
    }

    [Fact]
    public void The_registers_of_arm64_are_those_of_the_kernels_headers()
    {
        CoreThread thread = Read(Arm64());

        Assert.Equal(183, thread.Layout.Machine);
        Assert.Equal(392, thread.Layout.StatusSize);
        Assert.Equal(272, thread.Registers.Length);
        Assert.Equal([.. Enumerable.Range(1000, 31).Select(static i => (ulong)i), 0xffff_1234, 0xffff_5678, 0x6000_0000], Words(thread.Registers));
        Assert.Equal(528, thread.Floating.Length);
        Assert.Equal([.. Enumerable.Range(2000, 64).Select(static i => (ulong)i), 0x0300_0000_0000_001b, 0], Words(thread.Floating));
        Assert.Equal([0xdead_beef], Words(thread.ThreadPointer));
        Assert.Empty(thread.Extended);
    }

    [Fact]
    public void Signals_credentials_and_the_nice_value_are_read()
    {
        byte[] terminate = new byte[128];
        terminate[0] = 15;
        byte[] user = new byte[128];
        user[0] = 10;
        ProtobufWriter queue = new ProtobufWriter().WriteBytes(1, new ProtobufWriter().WriteBytes(1, terminate).Message).WriteBytes(1, new ProtobufWriter().WriteBytes(1, user).Message);
        ProtobufWriter creds = new ProtobufWriter().WriteVarint(1, 1001).WriteVarint(2, 1002).WriteVarint(3, 5);
        ProtobufWriter own = new ProtobufWriter().WriteVarint(3, 9).WriteVarint(6, 0x5).WriteBytes(9, queue.Message).WriteBytes(10, creds.Message);
        CoreThread thread = Read(X64(new(), Fxsave(null)).WriteBytes(5, own.Message));
        Assert.Equal(terminate, thread.Signal);
        Assert.Equal((1uL << 14) | (1uL << 9), thread.PendingSignals);
        Assert.Equal((5uL, -5, 1001u, 1002u), (thread.BlockedSignals, thread.Nice, thread.UserId, thread.GroupId));
    }

    [Fact]
    public void A_32_bit_program_and_another_architecture_are_refused()
    {
        CracException e = Assert.Throws<CracException>(() => Read(X64(new ProtobufWriter().WriteVarint(28, 2), Fxsave(null))));
        Assert.Equal(CracReason.ResourceUnsupported, e.Reason);
        Assert.Contains("32-bit", e.Message);
        e = Assert.Throws<CracException>(() => Read(new ProtobufWriter().WriteVarint(1, 5)));
        Assert.Equal(CracReason.ResourceUnsupported, e.Reason);
        Assert.NotNull(e.RecommendedAction);
    }

    [Fact]
    public void A_thread_without_registers_is_damage() =>
        Assert.Equal(CracReason.ImageCorrupt, Assert.Throws<CracException>(() => Read(new ProtobufWriter().WriteVarint(1, 1))).Reason);

    public void Dispose() => _image.Dispose();

    /// <summary>A thread of arm64 whose registers have numbers that tell which they are.</summary>
    internal static ProtobufWriter Arm64()
    {
        ProtobufWriter registers = new();
        for (int i = 0; i <= 30; i++)
        {
            registers.WriteVarint(1, (ulong)(i + 1000));
        }

        registers.WriteVarint(2, 0xffff_1234).WriteVarint(3, 0xffff_5678).WriteVarint(4, 0x6000_0000);
        ProtobufWriter floating = new();
        for (int i = 0; i < 64; i++)
        {
            floating.WriteVarint(1, (ulong)(i + 2000));
        }

        floating.WriteVarint(2, 0x1b).WriteVarint(3, 0x300_0000);
        ProtobufWriter info = new ProtobufWriter().WriteVarint(1, 77).WriteVarint(2, 0xdead_beef).WriteBytes(3, registers.Message).WriteBytes(4, floating.Message);
        return new ProtobufWriter().WriteVarint(1, 3).WriteBytes(8, info.Message);
    }

    private static ProtobufWriter X64(ProtobufWriter registers, ProtobufWriter floating) => new ProtobufWriter()
        .WriteVarint(1, 1)
        .WriteBytes(2, new ProtobufWriter().WriteVarint(1, 0).WriteBytes(2, registers.Message).WriteBytes(3, floating.Message).Message);

    private static ProtobufWriter Fxsave(ProtobufWriter? xsave)
    {
        ProtobufWriter floating = new ProtobufWriter().WriteVarint(1, 0x37f).WriteVarint(2, 0x102).WriteVarint(3, 4).WriteVarint(4, 5)
            .WriteVarint(5, 6).WriteVarint(6, 7).WriteVarint(7, 0x1f80).WriteVarint(8, 0xffff);
        for (uint i = 0; i < 32; i++)
        {
            floating.WriteVarint(9, i + 1);
        }

        for (uint i = 0; i < 64; i++)
        {
            floating.WriteVarint(10, i + 100);
        }

        for (uint i = 0; i < 24; i++)
        {
            floating.WriteVarint(11, 0);
        }

        return xsave is null ? floating : floating.WriteBytes(13, xsave.Message);
    }

    private static ulong[] Words(byte[] bytes) => [.. Enumerable.Range(0, bytes.Length / 8).Select(i => ElfCore.U64(bytes, i * 8))];

    private CoreThread Read(ProtobufWriter core)
    {
        using var file = new MemoryStream();
        file.Write(ImageBytes.Head(ImageType.Core));
        core.WriteEntry(file);
        _image.Write("core-7.img", file.ToArray());
        return CoreThread.Read(new DirectoryImageSource(_image.Path), 7);
    }
}
