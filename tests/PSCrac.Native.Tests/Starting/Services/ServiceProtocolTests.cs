using System.Net.Sockets;
using System.Text;
using PSCrac.PidNamespaces;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Services;

/// <summary>crac-start and what starts it: systemd's notifications, a container's first process, operations without a description.</summary>
public class ServiceProtocolTests
{
    [CriuFact("python3")]
    public void Systemd_is_told_that_it_is_ready_and_that_it_lives()
    {
        using var service = new StartedByCracStart();
        string address = service.At("notify");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(address));
        socket.ReceiveTimeout = (int)Wait.Limit.TotalMilliseconds;
        service.Environment["NOTIFY_SOCKET"] = address;
        service.Environment["WATCHDOG_USEC"] = "200000";
        StartedByCracStart.Run run = service.Start();
        List<string> messages = ReceiveUntil(socket, "WATCHDOG=1");
        string ready = Assert.Single(messages, static message => message.StartsWith("READY=1", StringComparison.Ordinal));
        Assert.Contains($"\nMAINPID={run.ProcessId}\n", ready, StringComparison.Ordinal);
        Assert.Contains("\nSTATUS=Running as process ", ready, StringComparison.Ordinal);
        Assert.Equal("STATUS=Starting", messages[0]);
        Assert.True(messages.IndexOf("STATUS=Checkpointing") is > 0 and var taken && taken < messages.IndexOf(ready));

        // The program must not answer in crac-start's place.
        Assert.Equal("none", service.TryAsk("/environment"));

        // One that does not answer does not live.
        (int id, _) = service.Ask();
        Assert.Equal(0, CriuProgram.Kill("-STOP", $"{id}").ExitCode);
        run.WaitForLine("so systemd is not told that the service lives");
        Assert.Equal(0, CriuProgram.Kill("-CONT", $"{id}").ExitCode);
        run.End();
        ReceiveUntil(socket, "STOPPING=1");
    }

    [CriuFact("python3", "unshare")]
    public void As_the_first_process_of_a_container_it_reaps_and_ends_as_the_program_does()
    {
        using var service = new StartedByCracStart("orphan");
        service.Describe();
        string[] container = ["unshare", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child", .. NamespaceInitHost.LocateStart(), "web"];
        foreach (string expected in (string[])["Checkpointed to", "Restored from"])
        {
            StartedByCracStart.Run run = service.Start(container);
            run.WaitForLine(expected);
            Assert.True(service.Ask().ProcessId >= 10_000);
            ProcessTree tree = ProcessTree.Read(run.ProcessId);
            Wait.Until(() => tree.Members.All(static member => ProcessStatus.TryRead(member.ProcessId) is not { HasEnded: true }), () => "a zombie is left");
            service.TryAsk("/exit?5");
            Assert.Equal(5, run.WaitForExit());
        }
    }

    [CriuFact("python3")]
    public void Without_a_description_an_image_is_restored_and_a_process_checkpointed()
    {
        using Subject subject = Subject.Counting();
        using var service = new StartedByCracStart();
        IReadOnlyList<string> command = NamespaceInitHost.LocateStart();
        Assert.Equal(0, service.Start([.. command, "--once", "checkpoint", $"{subject.ProcessId}", subject.ImagePath]).WaitForExit());
        Assert.True(Subject.HasEnded(subject.ProcessId));
        StartedByCracStart.Run run = service.Start([.. command, "--once", "restore", subject.ImagePath]);
        run.WaitForLine("Restored from");
        subject.Program.Remember();
        subject.AssertCountsPast(subject.Count);
        Assert.Equal(143, run.End());
        Assert.True(Subject.HasEnded(subject.ProcessId));
    }

    [Theory]
    [InlineData("[OptionRefused]", "--once", "checkpoint", "x", "/tmp/no-image")]
    [InlineData("[ProcessNotFound]", "--once", "checkpoint", "4194303", "/tmp/no-image")]
    [InlineData("[NotAnImage]", "--once", "restore", "/tmp/no-image")]
    [InlineData("[ServiceNotFound]", "nothing")]
    [InlineData("[ServiceNotFound]", "/tmp/nothing.json")]
    [InlineData("--once restore IMAGE", "--other")]
    [InlineData("--once restore IMAGE", "a", "b")]
    public void What_it_cannot_do_is_a_line_with_a_reason(string expected, params string[] arguments)
    {
        using var service = new StartedByCracStart();
        StartedByCracStart.Run run = service.Start([.. NamespaceInitHost.LocateStart(), .. arguments]);
        Assert.Equal(125, run.WaitForExit());
        run.WaitForLine(expected);
    }

    private static List<string> ReceiveUntil(Socket socket, string last)
    {
        var messages = new List<string>();
        byte[] buffer = new byte[4096];
        do
        {
            messages.Add(Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer)));
        }
        while (messages[^1] != last);
        return messages;
    }
}
