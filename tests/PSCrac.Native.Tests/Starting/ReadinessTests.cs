using System.Net;
using System.Net.Sockets;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Starting;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting;

public class ReadinessTests
{
    [CriuFact("python3")]
    public void A_restored_service_has_its_first_request_before_the_restore_is_over()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        int port = FreePort.Next();
        using var service = new TcpListener(IPAddress.Loopback, port);

        CracRestoredProcess restored = Readiness.Restore(
            (progress, stopping) =>
            {
                // It stands for a socket that criu has made by then.
                service.Start();
                CracRestoredProcess made = Run(subject, progress, stopping);
                Wait.Until(service.Pending, () => "nobody called while it was restored");
                _ = Task.Run(() => Answer(service, "200 OK"), stopping);
                return made;
            },
            [new ReadyUri(new Uri($"http://127.0.0.1:{port}/"))],
            Wait.Limit);

        Assert.True(restored.ReadyTime >= restored.RestoreTime);
        Assert.False(service.Pending(), "it was asked twice");
    }

    [CriuFact("python3")]
    public void A_restored_service_that_was_asked_too_early_is_asked_again()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        int port = FreePort.Next();
        using var service = new TcpListener(IPAddress.Loopback, port);
        Task? answering = null;

        CracRestoredProcess restored = Readiness.Restore(
            (progress, stopping) =>
            {
                CracRestoredProcess made = Run(subject, progress, stopping);
                service.Start();
                answering = Task.Run(
                    () =>
                    {
                        Answer(service, "503 Service Unavailable");
                        Answer(service, "200 OK");
                    },
                    stopping);
                return made;
            },
            [new ReadyUri(new Uri($"http://127.0.0.1:{port}/"))],
            Wait.Limit);

        Assert.NotNull(restored.ReadyTime);
        Assert.True(answering!.Wait(Wait.Limit));
    }

    [Fact]
    public void What_was_found_early_of_a_failed_restore_counts_for_no_other()
    {
        int port = FreePort.Next();
        var uri = new ReadyUri(new Uri($"http://127.0.0.1:{port}/"));
        using var first = new TcpListener(IPAddress.Loopback, port);
        Assert.Throws<CracException>(() => Readiness.Restore(
            (progress, _) =>
            {
                first.Start();
                progress!.Report(new CracProgress(CracPhase.Resuming, 0, 0));
                Answer(first, "200 OK");
                throw new CracException(CracReason.Unknown, "the restore failed", "none");
            },
            [uri],
            Wait.Limit));
        first.Stop();

        Assert.False(uri.IsMet(0, Wait.Limit, CancellationToken.None), "nobody listens any more");
    }

    [Theory]
    [InlineData("listens and takes no more calls")]
    [InlineData("takes calls and says nothing")]
    [InlineData("says a little, again and again")]
    public async Task A_service_that_hangs_is_given_up(string how)
    {
        using var service = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        service.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        service.Listen(how.StartsWith("listens", StringComparison.Ordinal) ? 0 : 10);
        using var calling = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var ending = new CancellationTokenSource();
        Task talking = Task.CompletedTask;
        if (how.StartsWith("listens", StringComparison.Ordinal))
        {
            // The kernel lets one call more wait than it was told.
            await calling.ConnectAsync(service.LocalEndPoint!, ending.Token);
        }
        else if (how.StartsWith("says", StringComparison.Ordinal))
        {
            talking = Task.Run(() => Mumble(service, ending.Token));
        }

        var uri = new ReadyUri(new Uri($"http://{service.LocalEndPoint}/"));
        Task<bool> limited = Task.Run(() => uri.IsMet(0, TimeSpan.FromSeconds(0.5), CancellationToken.None));
        Assert.False(await limited.WaitAsync(Wait.Limit));

        using var stopping = new CancellationTokenSource();
        Task<bool> stopped = Task.Run(() => uri.IsMet(0, Wait.Limit * 2, stopping.Token));
        stopping.CancelAfter(TimeSpan.FromSeconds(0.2));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stopped.WaitAsync(Wait.Limit));
        await ending.CancelAsync();
        service.Dispose();
        await talking;
    }

    private static void Mumble(Socket service, CancellationToken ending)
    {
        while (!ending.IsCancellationRequested)
        {
            try
            {
                using Socket caller = service.Accept();
                while (!ending.IsCancellationRequested)
                {
                    caller.Send("H"u8);
                    Thread.Sleep(50);
                }
            }
            catch (SocketException)
            {
                // The caller hung up, or the test is over.
            }
            catch (ObjectDisposedException)
            {
                return;
            }
        }
    }

    private static CracRestoredProcess Run(Subject subject, IProgress<CracProgress>? progress, CancellationToken stopping)
    {
        CracRestoredProcess made = Restore.Run(
            new RestoreRequest { Image = CracImage.Open(subject.ImagePath, stopping), PidTimeout = Wait.Limit }, progress, stopping);
        subject.Program.Remember();
        return made;
    }

    private static void Answer(TcpListener service, string status)
    {
        using Socket caller = service.AcceptSocket();
        byte[] request = new byte[4096];
        caller.Receive(request);
        caller.Send(System.Text.Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
    }
}
