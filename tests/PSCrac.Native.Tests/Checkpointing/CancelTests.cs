using System.Net.Sockets;
using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

[Collection(AloneCollection.Name)]
public class CancelTests
{
    [CriuFact("python3")]
    public void Cancelled_before_it_starts_nothing_is_done()
    {
        using Subject subject = Subject.Counting();

        Assert.Throws<OperationCanceledException>(() => subject.Checkpoint(cancellation: new CancellationToken(canceled: true)));

        subject.AssertUnharmed();
    }

    [CriuFact("python3")]
    public void Cancelled_in_the_middle_of_a_big_dump_the_process_is_as_it_was()
    {
        using Subject subject = Big();
        string maps = subject.Maps();
        using var source = new CancellationTokenSource();

        Assert.Throws<OperationCanceledException>(
            () => subject.Checkpoint(cancellation: source.Token, progress: Expect.At(CracPhase.Dumping, source.Cancel)));

        subject.AssertUnharmed();
        Assert.Equal(maps, subject.Maps());
        Assert.Empty(Workers.OfThisProcess());

        // Unharmed enough to be checkpointed and restored after all.
        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();
        Assert.Equal(maps, subject.Maps());
    }

    [CriuFact("python3")]
    public void Cancelled_before_anything_is_written_the_process_is_as_it_was()
    {
        using Subject subject = Big();
        string maps = subject.Maps();
        using var source = new CancellationTokenSource();

        Assert.Throws<OperationCanceledException>(
            () => subject.Checkpoint(cancellation: source.Token, progress: Expect.At(CracPhase.Freezing, source.Cancel)));

        subject.AssertUnharmed();
        Assert.Equal(maps, subject.Maps());
    }

    [CriuFact("python3")]
    public void Cancelled_while_the_image_is_sealed_the_process_lives_and_there_is_no_image()
    {
        using Subject subject = Subject.Counting();
        using var source = new CancellationTokenSource();

        Assert.Throws<OperationCanceledException>(
            () => subject.Checkpoint(cancellation: source.Token, progress: Expect.At(CracPhase.Sealing, source.Cancel)));

        subject.AssertUnharmed();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_connection_passes_data_after_a_cancelled_dump()
    {
        using Subject subject = Subject.Python("""
            import socket
            big = bytearray(b"\x5a") * (300 << 20)
            s = socket.create_server(("127.0.0.1", 0))
            print("ready", s.getsockname()[1], flush=True)
            c, _ = s.accept()
            while data := c.recv(100): c.sendall(data)
            """, "ready");
        using var client = new TcpClient("127.0.0.1", int.Parse(subject.Program.WaitForLine("ready").Split(' ')[1])) { ReceiveTimeout = 10_000 };
        AssertEchoes(client, "before");
        using var source = new CancellationTokenSource();
        var options = new CheckpointOptions
        {
            TcpEstablished = true,
            CriuOption = new Dictionary<string, object?> { ["network-lock"] = "nftables" },
        };

        Assert.Throws<OperationCanceledException>(
            () => subject.Checkpoint(options, cancellation: source.Token, progress: Expect.AtFirstPages(source.Cancel)));

        subject.AssertUnharmed();
        AssertEchoes(client, "after");
    }

    [CriuFact("python3")]
    public void What_a_progress_callback_throws_comes_back_and_the_process_lives()
    {
        using Subject subject = Big();
        string maps = subject.Maps();

        Assert.Throws<TimeZoneNotFoundException>(
            () => subject.Checkpoint(progress: Expect.AtFirstPages(() => throw new TimeZoneNotFoundException("of the caller"))));

        subject.AssertUnharmed();
        Assert.Equal(maps, subject.Maps());
        Assert.Empty(Workers.OfThisProcess());
    }

    [CriuFact("python3")]
    public void A_cancelled_restore_that_hangs_leaves_no_process_behind()
    {
        using Subject subject = Subject.Counting();
        CheckpointResult checkpoint = subject.Checkpoint();
        using var source = new CancellationTokenSource();
        string script = subject.HangingScript("post-restore", out string marker);
        using var watcher = new Timer(
            _ =>
            {
                if (File.Exists(marker))
                {
                    source.Cancel();
                }
            }, null, 5, 5);

        Assert.ThrowsAny<OperationCanceledException>(() => subject.Restore(
            new() { CriuOption = new Dictionary<string, object?> { ["action-script"] = script } }, cancellation: source.Token));

        AssertNothingRuns(checkpoint.Image, int.Parse(File.ReadAllText(marker)));
        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);
    }

    private static void AssertNothingRuns(CracImage image, int script)
    {
        Assert.All(image.ProcessIds, id => Assert.True(Subject.HasEnded(id), $"{id} runs"));
        Wait.Until(() => Subject.HasEnded(script), () => "the script still runs");
        Assert.Empty(Workers.OfThisProcess());
    }

    private static Subject Big() => Subject.Python("""
        import signal
        big = bytearray(b"\x5a") * (400 << 20)
        print("ready", flush=True)
        while True: signal.pause()
        """, "ready");

    private static void AssertEchoes(TcpClient client, string text)
    {
        byte[] sent = System.Text.Encoding.ASCII.GetBytes(text);
        client.GetStream().Write(sent);
        byte[] received = new byte[sent.Length];
        client.GetStream().ReadExactly(received);
        Assert.Equal(sent, received);
    }
}
