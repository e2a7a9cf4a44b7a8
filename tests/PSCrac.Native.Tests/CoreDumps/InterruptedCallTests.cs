using System.Buffers.Binary;
using PSCrac.CoreDumps;
using Xunit;

namespace PSCrac.Tests.CoreDumps;

/// <summary>What is made of registers that criu has stored before a system call, or behind it with EINTR.</summary>
public class InterruptedCallTests
{
    private const ulong Code = 0x40_1000;
    private static readonly byte[] s_code = [0x90, 0x0f, 0x05, 0x90];

    // In criu's order, from 0.
    private const int R10 = 7;
    private const int Ax = 10;
    private const int Si = 13;
    private const int OriginalAx = 15;
    private const int Ip = 16;

    [Theory]
    [InlineData("read", 0ul, 0ul, 0ul, -512)]
    [InlineData("accept", 43ul, 0ul, 0ul, -512)]
    [InlineData("wait4", 61ul, 0ul, 0ul, -512)]
    [InlineData("poll, which PSCrac has repeat", 7ul, 0ul, 0ul, -516)]
    [InlineData("nanosleep", 35ul, 0ul, 0ul, -516)]
    [InlineData("clock_nanosleep", 230ul, 0ul, 0ul, -516)]
    [InlineData("clock_nanosleep until a time", 230ul, 1ul, 0ul, -514)]
    [InlineData("futex without a timeout", 202ul, 128ul, 0ul, -512)]
    [InlineData("futex with a timeout", 202ul, 137ul, 0x1000ul, -516)]
    [InlineData("pause", 34ul, 0ul, 0ul, -514)]
    [InlineData("ppoll", 271ul, 0ul, 0ul, -514)]
    [InlineData("rt_sigsuspend", 130ul, 0ul, 0ul, -514)]
    [InlineData("epoll_wait", 232ul, 0ul, 0ul, -4)]
    [InlineData("clone3", 435ul, 0ul, 0ul, -513)]
    public void A_call_that_is_to_be_repeated_is_shown_as_interrupted(string what, ulong call, ulong si, ulong r10, long result)
    {
        byte[] registers = Registers((Ax, call), (OriginalAx, call), (Si, si), (R10, r10), (Ip, Code + 1));
        Assert.True(InterruptedCall.Undo(registers, Read), what);
        Assert.Equal(Registers((Ax, (ulong)result), (OriginalAx, call), (Si, si), (R10, r10), (Ip, Code + 3)), registers);
    }

    [Theory]
    [InlineData("poll", 7ul, 0ul, 0ul)]
    [InlineData("restart_syscall", 219ul, 0ul, 0ul)]
    [InlineData("clock_nanosleep", 230ul, 0ul, 0ul)]
    [InlineData("futex with a timeout", 202ul, 137ul, 0x1000ul)]
    public void A_call_that_criu_let_fail_is_shown_as_interrupted(string what, ulong call, ulong si, ulong r10)
    {
        byte[] registers = Registers((Ax, unchecked((ulong)-4L)), (OriginalAx, call), (Si, si), (R10, r10), (Ip, Code + 3));
        Assert.True(InterruptedCall.Undo(registers, Read), what);
        Assert.Equal(Registers((Ax, unchecked((ulong)-516L)), (OriginalAx, call), (Si, si), (R10, r10), (Ip, Code + 3)), registers);
    }

    [Theory]
    [InlineData("no call", 0x7777ul, ulong.MaxValue, Code + 1)]
    [InlineData("no syscall instruction at the program counter", 0ul, 0ul, Code)]
    [InlineData("no memory there", 0ul, 0ul, 0x1000ul)]
    [InlineData("another result than the call's number", 5ul, 0ul, Code + 1)]
    [InlineData("a call that failed by itself", unchecked((ulong)-4L), 0ul, Code + 3)]
    [InlineData("a poll that failed, and code that has no syscall before it", unchecked((ulong)-4L), 7ul, Code + 1)]
    public void All_else_is_left(string what, ulong ax, ulong call, ulong ip)
    {
        byte[] registers = Registers((Ax, ax), (OriginalAx, call), (Ip, ip));
        byte[] before = [.. registers];
        Assert.False(InterruptedCall.Undo(registers, Read), what);
        Assert.Equal(before, registers);
    }

    private static bool Read(ulong address, Span<byte> buffer)
    {
        if (address < Code || address + (ulong)buffer.Length > Code + (ulong)s_code.Length)
        {
            return false;
        }

        s_code.AsSpan((int)(address - Code), buffer.Length).CopyTo(buffer);
        return true;
    }

    private static byte[] Registers(params (int Index, ulong Value)[] values)
    {
        byte[] registers = new byte[27 * 8];
        foreach ((int index, ulong value) in values)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(registers.AsSpan(index * 8), value);
        }

        return registers;
    }
}
