using System.Diagnostics;
using System.Globalization;
using PSCrac.Images.Operations;
using PSCrac.Moving;
using PSCrac.Procfs;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Moving;

/// <summary>
/// Another host for moves: pid, mount and network namespaces of its own, a sshd with a key of its own that ssh reaches through the namespace,
/// and folders of its own for images and state. Only its files are those of this host. Its pwsh is this assembly's helper, with the engine under test.
/// </summary>
internal sealed class FarHost : IDisposable
{
    /// <summary>The programs that it needs.</summary>
    internal const string Sshd = "sshd";

    // The first process of the namespace reaps, as an init does.
    private const string Init = """
        import os, time
        print("up", flush=True)
        while True:
            try:
                os.wait()
            except ChildProcessError:
                time.sleep(.005)
        """;

    // The link: what stands between ssh and its sshd. Nothing else keeps the connection when it is killed.
    private const string Relay = """
        import os, subprocess, sys, threading
        far = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        def copy(source, target):
            while part := os.read(source, 1 << 16):
                while part:
                    part = part[os.write(target, part):]
            os.close(target)
        threading.Thread(target=copy, args=(0, far.stdin.fileno()), daemon=True).start()
        copy(far.stdout.fileno(), 1)
        """;

    private readonly TemporaryFolder _folder = new();
    private readonly TestProgram _namespace;
    private readonly string? _programBefore = Environment.GetEnvironmentVariable(SshTransport.ProgramVariable);

    internal FarHost()
    {
        _namespace = TestProgram.Start(
            "unshare",
            ["--pid", "--fork", "--mount", "--mount-proc", "--net", "--kill-child", "sh", "-c", "ip link set lo up; mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/sshd; exec \"$@\"", "sh", PythonProgram.Path!, "-c", Init]);
        _namespace.WaitForLine("up");
        InitId = ProcessTree.Read(_namespace.ProcessId).Members.First(static member => member.Status.NamespaceProcessIds.Count > 1 && member.Status.InnermostProcessId == 1).ProcessId;
        Write();
        Environment.SetEnvironmentVariable(SshTransport.ProgramVariable, At("ssh"));
    }

    /// <summary>Its first process, by its pid here.</summary>
    internal int InitId { get; }

    /// <summary>What a request names.</summary>
    internal MoveHost Host { get; } = new() { HostName = "far" };

    /// <summary>Its image root.</summary>
    internal string ImageRoot => At("images");

    /// <summary>Its state folder.</summary>
    internal string StateRoot => At("state");

    /// <summary>What its sshd has written.</summary>
    internal string SshdLog => File.Exists(At("sshd.log")) ? File.ReadAllText(At("sshd.log")) : "";

    internal string At(string name) => _folder.At(name);

    /// <summary>The processes in it without its first, by their pids here. Those that ssh starts are no descendants of its first.</summary>
    internal List<ProcessStatus> Processes()
    {
        string? its = new FileInfo($"/proc/{InitId}/ns/pid").LinkTarget;
        var found = new List<ProcessStatus>();
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int id) && id != InitId && IsIn(directory, its) && ProcessStatus.TryRead(id) is { HasEnded: false } status)
            {
                found.Add(status);
            }
        }

        return found;
    }

    /// <summary>Those whose command line contains a text.</summary>
    internal List<ProcessStatus> Find(string text) =>
        Processes().FindAll(status => CommandLineOf(status.ProcessId).Contains(text, StringComparison.Ordinal));

    internal static string CommandLineOf(int processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/cmdline").Replace('\0', ' ');
        }
        catch (IOException)
        {
            return "";
        }
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(SshTransport.ProgramVariable, _programBefore);
        _namespace.Dispose();
        _folder.Dispose();
    }

    // A process that was put into a pid namespace of its own there has another one, below.
    private static bool IsIn(string directory, string? pidNamespace)
    {
        try
        {
            return new FileInfo(Path.Combine(directory, "ns", "pid")).LinkTarget == pidNamespace;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string Require(string path) => CriuProgram.Find(path) is { } found ? found : throw new InvalidOperationException(path);

    private void Write()
    {
        foreach (string key in (string[])["host_key", "user_key"])
        {
            CriuProgram.RunProgram("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", At(key));
        }

        File.Copy(At("user_key.pub"), At("authorized_keys"));
        File.WriteAllText(At("known_hosts"), $"far {File.ReadAllText(At("host_key.pub"))}");
        Directory.CreateDirectory(At("bin"));

        // Two versions leave it to pwsh which one receives.
        foreach (string version in (string[])["1.0", "2.0"])
        {
            Directory.CreateDirectory(At($"modules/PSCrac/{version}"));
            File.WriteAllText(At($"modules/PSCrac/{version}/PSCrac.psd1"), "");
        }

        string helper = string.Join(' ', Helper.Command("receive").Select(static word => $"'{word}'"));
        WriteProgram(Path.Combine("bin", "pwsh"), $"#!/bin/sh\nexec {helper}\n");
        WriteProgram("ssh", $"#!/bin/sh\nexec {Require("ssh")} -F '{At("ssh_config")}' \"$@\"\n");
        string[] environment =
        [
            $"PATH={At("bin")}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            $"XDG_DATA_HOME={At("data")}",
            $"PSModulePath={At("modules")}",
            $"PSCRAC_IMAGE_ROOT={ImageRoot}",
            $"PSCRAC_STATE_ROOT={StateRoot}",
            $"PSCRAC_LOG_ROOT={At("logs")}",
            $"CRAC_CRIU_PATH={CriuProgram.Path}",
            .. CriuProgram.LibCriu is { } library ? (string[])[$"CRAC_LIBCRIU_PATH={library}"] : [],
        ];
        File.WriteAllText(At("sshd_config"), $"""
            HostKey {At("host_key")}
            AuthorizedKeysFile {At("authorized_keys")}
            PermitRootLogin prohibit-password
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            UsePAM no
            StrictModes no
            PrintMotd no
            PrintLastLog no
            SetEnv {string.Join(' ', environment.Select(static each => $"\"{each}\""))}

            """);
        File.WriteAllText(At("relay.py"), Relay);
        string enter = string.Create(CultureInfo.InvariantCulture, $"{Require("nsenter")} --target {InitId} --pid --net --mount");
        File.WriteAllText(At("ssh_config"), $"""
            Host far
                User root
                IdentityFile {At("user_key")}
                IdentitiesOnly yes
                IdentityAgent none
                UserKnownHostsFile {At("known_hosts")}
                StrictHostKeyChecking yes
                ProxyCommand {PythonProgram.Path} {At("relay.py")} {enter} /usr/sbin/sshd -i -f {At("sshd_config")} -E {At("sshd.log")}

            """);
    }

    private void WriteProgram(string name, string text)
    {
        File.WriteAllText(At(name), text);
        File.SetUnixFileMode(At(name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
