using System.Diagnostics;
using System.Net.Sockets;
using PSCrac.Jvm;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

public class JvmAttachmentTests
{
    [JavaFact]
    public void A_real_JVM_is_seen_and_answers()
    {
        using JavaProgram java = JavaProgram.Start();
        JvmProcess jvm = JvmProcess.TryDetect(java.ProcessId)!;

        JvmAttachment attachment = JvmAttachment.Open(jvm);
        IReadOnlyDictionary<string, string> properties = attachment.ReadProperties();

        Assert.Equal(jvm.Runtime!.Home, properties["java.home"]);
        Assert.Equal("\n", properties["line.separator"]);
        Assert.StartsWith(jvm.Runtime.Version!.Split('+')[0], properties["java.version"]);
        Assert.Contains(properties["java.vm.version"], attachment.Jcmd("VM.version").Text);
        Assert.Contains("Counter.main", attachment.Send("threaddump").Text);
        Assert.False(File.Exists(Path.Combine(java.Program.Folder, $".attach_pid{java.ProcessId}")));
        Assert.DoesNotContain("Full thread dump", File.ReadAllText(java.Program.OutputPath));
    }

    [JavaFact]
    public void A_real_JVM_tells_its_flags()
    {
        using JavaProgram java = JavaProgram.Start("-XX:+UseSerialGC", "-XX:HeapDumpPath=/tmp/x=y");
        JvmAttachment attachment = JvmAttachment.Open(JvmProcess.TryDetect(java.ProcessId)!);

        Assert.Equal("+", attachment.ReadFlag("UseSerialGC"));
        Assert.Equal("/tmp/x=y", attachment.ReadFlag("HeapDumpPath"));
        Assert.Equal("", attachment.ReadFlag("OnError"));
        Assert.Null(attachment.ReadFlag("NoSuchFlag"));
    }

    [JavaFact]
    public void An_unknown_command_is_answered_with_a_status()
    {
        using JavaProgram java = JavaProgram.Start();
        JvmAttachment attachment = JvmAttachment.Open(JvmProcess.TryDetect(java.ProcessId)!);

        Assert.False(attachment.Send("nonsense").IsSuccess);
        Assert.False(attachment.Jcmd("No.such").IsSuccess);
    }

    [JavaFact]
    public void A_JVM_in_its_own_pid_and_mount_namespace_answers()
    {
        using JavaProgram java = JavaProgram.StartIn("unshare", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "--");
        JvmProcess jvm = JvmProcess.TryDetect(java.JvmProcessId)!;

        Assert.NotEqual(jvm.ProcessId, jvm.InnerProcessId);
        Assert.True(JvmAttachment.Open(jvm).Jcmd("VM.version").IsSuccess);
    }

    [JavaFact]
    public void Another_users_JVM_answers_root()
    {
        using JavaProgram java = JavaProgram.StartIn("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--");
        JvmProcess jvm = JvmProcess.TryDetect(java.JvmProcessId)!;

        Assert.True(JvmAttachment.Open(jvm).Jcmd("VM.version").IsSuccess);
    }

    [PythonFact]
    public void A_neighbour_who_exchanges_the_socket_gets_no_command()
    {
        // As the JVM's own user in the test: only the file that was checked tells the two apart.
        using FakeJvm fake = FakeJvm.Start();
        JvmAttachment attachment = JvmAttachment.Open(fake.Jvm);
        string name = $".java_pid{fake.ProcessId}";
        string link = $".pscrac-test-{fake.ProcessId}";
        using var other = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        other.Bind(new UnixDomainSocketEndPoint(fake.Folder.At("other")));
        other.Listen(1000);
        File.CreateSymbolicLink($"/tmp/{link}", fake.Folder.At("other"));
        try
        {
            int answered = 0;
            using (new Swapper("/tmp", name, link))
            {
                for (int round = 0; round < 300; round++)
                {
                    try
                    {
                        attachment.Send("properties");
                        answered++;
                    }
                    catch (CracException e) when (e.Reason == CracReason.JvmNotAttachable)
                    {
                        Assert.Contains("is no socket", e.Message);
                    }
                }
            }

            Assert.True(answered > 0);
            Assert.False(other.Poll(0, SelectMode.SelectRead), "the neighbour was connected to");
        }
        finally
        {
            File.Delete($"/tmp/{link}");
        }
    }

    [JavaFact]
    public void A_JVM_that_takes_no_commands_is_left_alone()
    {
        using JavaProgram java = JavaProgram.Start("-XX:+DisableAttachMechanism");

        CracException failure = Expect.Failure(CracReason.JvmNotAttachable, () => JvmAttachment.Open(JvmProcess.TryDetect(java.ProcessId)!));

        Assert.Contains("DisableAttachMechanism", failure.Message);
        Assert.DoesNotContain("Full thread dump", File.ReadAllText(java.Program.OutputPath));
    }

    [JavaFact]
    public void A_stopped_JVM_is_not_waited_for()
    {
        using JavaProgram java = JavaProgram.Start();
        JvmProcess jvm = JvmProcess.TryDetect(java.ProcessId)!;
        CriuProgram.Kill("-STOP", $"{java.ProcessId}");
        var clock = Stopwatch.StartNew();

        Expect.Failure(CracReason.JvmNotAttachable, () => JvmAttachment.Open(jvm));

        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(3));
    }

    [PythonFact]
    public void A_program_that_does_not_handle_the_signal_is_not_sent_it()
    {
        // Looks like a JVM by what it has mapped, but SIGQUIT would end it.
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.At("libjvm.so"), new byte[4096]);
        using TestProgram program = TestProgram.Start(
            PythonProgram.Path!, ["-c", $"import mmap, time\nf = open('{folder.At("libjvm.so")}', 'rb')\nm = mmap.mmap(f.fileno(), 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)\nprint('ready', flush=True)\ntime.sleep(100)"]);
        program.WaitForLine("ready");
        JvmProcess jvm = JvmProcess.TryDetect(program.ProcessId)!;

        Expect.Failure(CracReason.JvmNotAttachable, () => JvmAttachment.Open(jvm));

        Assert.True(jvm.Identity.IsRunning());
    }

    [PythonFact]
    public void What_is_no_JVM_is_not_seen_as_one()
    {
        Assert.Null(JvmProcess.TryDetect(Environment.ProcessId));
        Assert.Null(JvmProcess.TryDetect(int.MaxValue));
    }

    [PythonFact]
    public void A_JVM_that_hangs_up_on_root_is_spoken_to_as_its_user()
    {
        using FakeJvm fake = FakeJvm.Start("strict", user: "65534");

        JvmReply reply = JvmAttachment.Open(fake.Jvm).Jcmd("Echo hello");

        Assert.Equal(new JvmReply(0, "hello"), reply);
        Assert.False(JvmAttachment.Open(fake.Jvm).Jcmd("No.such").IsSuccess);
    }

    [PythonFact]
    public void A_long_argument_goes_by_the_second_version_of_the_protocol()
    {
        using FakeJvm fake = FakeJvm.Start("v2");
        string text = new('x', 20000);

        Assert.Equal(text, JvmAttachment.Open(fake.Jvm).Jcmd($"Echo {text}").Text);
    }

    [PythonFact]
    public void A_long_argument_is_refused_where_there_is_no_second_version()
    {
        using FakeJvm fake = FakeJvm.Start();

        Expect.Failure(CracReason.OptionRefused, () => JvmAttachment.Open(fake.Jvm).Jcmd($"Echo {new string('x', 1100)}"));
    }

    [PythonFact]
    public void Properties_are_unescaped()
    {
        using FakeJvm fake = FakeJvm.Start();

        Assert.Equal("a=b\tc", JvmAttachment.Open(fake.Jvm).ReadProperties()["path.like"]);
    }

    [PythonFact]
    public void A_JVM_that_does_not_answer_is_given_up_on()
    {
        using FakeJvm fake = FakeJvm.Start("deaf");
        JvmAttachment attachment = JvmAttachment.Open(fake.Jvm);

        Expect.Failure(CracReason.JvmNotAttachable, () => attachment.Send("properties", timeout: TimeSpan.FromMilliseconds(200)));

        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        Assert.Throws<OperationCanceledException>(() => attachment.Send("properties", cancellation: cancellation.Token));
    }

    [PythonFact]
    public void A_socket_of_another_user_is_not_spoken_to()
    {
        using FakeJvm fake = FakeJvm.Start(user: "65534");
        string path = $"/tmp/.java_pid{fake.ProcessId}";
        using var stranger = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        stranger.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
        stranger.Listen();

        CracException failure = Expect.Failure(CracReason.JvmNotAttachable, () => JvmAttachment.Open(fake.Jvm));

        Assert.Contains("user 0", failure.Message);
    }
}
