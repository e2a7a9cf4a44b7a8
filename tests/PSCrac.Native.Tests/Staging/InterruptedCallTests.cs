using PSCrac.Checkpointing;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;
using PSCrac.Restoring;
using PSCrac.Staging;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Staging;

/// <summary>Waits that a checkpoint interrupts go on after the restore, where plain criu lets them fail with EINTR.</summary>
public class InterruptedCallTests
{
    private const string Call = """
        import ctypes, os, signal, sys, time
        libc = ctypes.CDLL(None, use_errno=True)
        class timespec(ctypes.Structure):
            _fields_ = [("s", ctypes.c_long), ("n", ctypes.c_long)]
        span, left, word = timespec(2, 0), timespec(0, 0), ctypes.c_int(0)
        fds = (ctypes.c_int * 2)()
        libc.pipe(fds)
        poll = ctypes.create_string_buffer(fds[0].to_bytes(4, "little") + b"\1\0\0\0")
        events = ctypes.create_string_buffer(64)
        print("ready", fds[1], flush=True)
        began = time.monotonic()
        result = eval(sys.argv[1])
        print("result", result, ctypes.get_errno() if result == -1 else 0, int(time.monotonic() - began), flush=True)
        time.sleep(600)
        """;

    [CriuTheory("python3")]
    [InlineData("libc.poll(poll, 1, 2000)", "result 0 0")]
    [InlineData("libc.nanosleep(ctypes.byref(span), ctypes.byref(left))", "result 0 0 2")]
    [InlineData("libc.clock_nanosleep(1, 0, ctypes.byref(span), None)", "result 0 0")]
    [InlineData("libc.syscall(202, ctypes.byref(word), 0, 0, ctypes.byref(span), None, 0)", "result -1 110")] // futex: ETIMEDOUT
    [InlineData("libc.epoll_wait(libc.epoll_create1(0), events, 1, 2000)", "result 0 0")]
    public void A_wait_with_a_timeout_waits_for_it(string call, string result)
    {
        using Subject subject = Sleeping(call);

        CheckpointResult checkpoint = subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();

        subject.Program.WaitForLine("result");
        Assert.StartsWith(result, subject.LastLine(), StringComparison.Ordinal);
        Assert.Empty(checkpoint.Warnings);
    }

    [CriuFact("python3")]
    public void A_poll_without_a_timeout_waits_until_there_is_something()
    {
        using Subject subject = Sleeping("libc.poll(poll, 1, -1)");

        string writeEnd = subject.LastLine().Split(' ')[1];
        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();
        File.WriteAllText($"/proc/{restored.Id}/fd/{writeEnd}", "x");

        subject.Program.WaitForLine("result");
        Assert.StartsWith("result 1 0", subject.LastLine(), StringComparison.Ordinal);
    }

    [CriuFact("python3")]
    public void Each_thread_of_a_process_goes_on_waiting()
    {
        using Subject subject = Subject.Of(["python3", "-c", """
            import ctypes, threading, time
            libc = ctypes.CDLL(None, use_errno=True)
            results = []
            threads = [threading.Thread(target=lambda: results.append(libc.poll(None, 0, 2000))) for _ in range(20)]
            for each in threads: each.start()
            print("ready", flush=True)
            for each in threads: each.join()
            print("result", sum(results), len(results), flush=True)
            time.sleep(600)
            """]);
        Thread.Sleep(200);

        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();

        subject.Program.WaitForLine("result");
        Assert.Equal("result 0 20", subject.LastLine());
    }

    [CriuFact("python3")]
    public void A_signal_that_waits_for_its_handler_still_interrupts()
    {
        using Subject subject = Sleeping("""
            [signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]), os.kill(os.getpid(), signal.SIGUSR1), libc.poll(poll, 1, 60000)][2]
            """);

        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();

        subject.Program.WaitForLine("result");
        Assert.StartsWith("result -1 4", subject.LastLine(), StringComparison.Ordinal);
    }

    [CriuFact("python3")]
    public void A_wait_that_was_stopped_before_is_told_of_and_remembered()
    {
        using Subject subject = Sleeping("libc.poll(poll, 1, 60000)");
        subject.Signal("STOP");
        Thread.Sleep(100);
        subject.Signal("CONT");
        Thread.Sleep(100);

        CheckpointResult checkpoint = subject.Checkpoint();

        Assert.Contains($"Thread {subject.ProcessId} ", Assert.Single(checkpoint.Warnings), StringComparison.Ordinal);
        Assert.Contains(CracImage.Open(subject.ImagePath).Manifest!.Warnings, static warning => warning.Contains("EINTR", StringComparison.Ordinal));
    }

    private static Subject Sleeping(string call)
    {
        Subject subject = Subject.Of(["python3", "-c", Call, call.Trim()]);
        Thread.Sleep(200);
        return subject;
    }

    // Their registers do not tell how to repeat the call.
    [Theory]
    [InlineData(8, 3, 1, ulong.MaxValue - 3, true)] // arm64, x0
    [InlineData(8, 3, 1, 0uL, false)]
    public void A_thread_of_another_architecture_is_told_of(int info, int registers, int register, ulong value, bool isInterrupted)
    {
        byte[] inner = new ProtobufWriter().WriteVarint(register, value).Message.ToArray();
        byte[] middle = new ProtobufWriter().WriteBytes(registers, inner).Message.ToArray();
        using ImageEntryReader entries = Core(new ProtobufWriter().WriteVarint(1, 3).WriteBytes(info, middle));

        Assert.Null(InterruptedCalls.Restart(entries, out bool told));
        Assert.Equal(isInterrupted, told);
    }

    [Theory]
    [InlineData(0xfffffffcuL, true)]
    [InlineData(0uL, false)]
    public void A_32_bit_thread_is_told_of(ulong result, bool isInterrupted)
    {
        byte[] registers = new ProtobufWriter().WriteVarint(11, result).WriteVarint(16, 168).WriteVarint(17, 0x1000).WriteVarint(28, 2).Message.ToArray();
        byte[] info = new ProtobufWriter().WriteBytes(2, registers).Message.ToArray();
        using ImageEntryReader entries = Core(new ProtobufWriter().WriteVarint(1, 1).WriteBytes(2, info));

        Assert.Null(InterruptedCalls.Restart(entries, out bool told));
        Assert.Equal(isInterrupted, told);
    }

    private static ImageEntryReader Core(ProtobufWriter message)
    {
        var file = new MemoryStream();
        file.Write(BitConverter.GetBytes(0x54564319u)); // IMG_COMMON_MAGIC of criu's magic.h
        file.Write(BitConverter.GetBytes(ImageType.Core.Magic));
        message.WriteEntry(file);
        var entries = new ImageEntryReader(new MemoryImageFile("/memory", "core-1.img", file.ToArray()), ImageType.Core);
        entries.MoveToFirst();
        return entries;
    }
}
