using System.Collections;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Moving;

/// <summary>
/// A run of ssh(1), with the user's own configuration, agent and known hosts, that starts the far side on another host. Without a terminal
/// ssh asks nothing (BatchMode).
/// </summary>
internal sealed class SshTransport : IDisposable
{
    /// <summary>The environment variable that names another program to use as ssh.</summary>
    internal const string ProgramVariable = "PSCRAC_SSH";

    // The login shell there may be any. pwsh reads its standard input by itself, and writes warnings and errors of its own: the frames go
    // over two other descriptors. Nothing in it comes from the user.
    //
    // pwsh and a module take most of a second to start. The module's crac-start, compiled ahead, takes some milliseconds, so it receives
    // where there is one, and where no second PSCrac leaves open which one pwsh would import: then pwsh decides.
    private const string Command =
        "sh -c 'exec 3<&0 4>&1 </dev/null >&2; all= program= IFS=:; "
        + "if command -v pwsh >/dev/null; then "
        + "for folder in \"${XDG_DATA_HOME:-$HOME/.local/share}/powershell/Modules\" /usr/local/share/powershell/Modules $PSModulePath; do "
        + "for manifest in \"$folder\"/PSCrac/PSCrac.psd1 \"$folder\"/PSCrac/*/PSCrac.psd1; do "
        + "if [ -f \"$manifest\" ]; then all=$all. program=${manifest%PSCrac.psd1}crac-start; fi; done; done; fi; "
        + "if [ \"$all\" = . ] && [ -x \"$program\" ]; then exec \"$program\" " + MoveReceiver.Argument + "; fi; "
        + "exec pwsh -NoLogo -NoProfile -NonInteractive -Command \"Import-Module PSCrac -ErrorAction Stop; [PSCrac.Moving.MoveReceiver]::Run(3, 4)\"'";

    private const int LowestSource = 200;
    private const int MaximumMessage = 1 << 16;
    private const int EndMilliseconds = 5000;
    private const int NoConnectionCode = 255; // ssh(1)
    private const int NoProgramCode = 127; // sh(1)

    private readonly MoveHost _host;
    private readonly SafeFileHandle _pidFd;
    private readonly SafeFileHandle _messages;
    private readonly Lock _reaping = new();
    private (int Code, bool Exited)? _end;
    private bool _hasGreeted;

    private SshTransport(MoveHost host, SafeFileHandle pidFd, SafeFileHandle messages, MoveChannel channel)
    {
        _host = host;
        _pidFd = pidFd;
        _messages = messages;
        Channel = channel;
    }

    /// <summary>The connection.</summary>
    internal MoveChannel Channel { get; }

    /// <summary>Starts ssh, and waits until the far side has greeted.</summary>
    /// <param name="host">Where to.</param>
    /// <param name="cancellation">Ends ssh.</param>
    /// <param name="hello">What the far side says of itself.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ProgramMissing"/>: there is no ssh. <see cref="CracReason.HostUnreachable"/>, <see cref="CracReason.HostNotReady"/>:
    /// the host cannot be reached, or lacks something.
    /// </exception>
    internal static SshTransport Connect(MoveHost host, CancellationToken cancellation, out MoveHello hello)
    {
        SshTransport transport = Start(host);
        try
        {
            transport.Channel.ReceiveGreeting(host.ConnectingTimeout + MoveProtocol.AnswerLimit, cancellation.ThrowIfCancellationRequested);
            transport._hasGreeted = true;
            hello = transport.Channel.Receive(MoveProtocol.AnswerLimit, cancellation.ThrowIfCancellationRequested) == MoveFrame.Hello
                ? transport.Channel.Message(MoveJson.Default.MoveHello) : throw new MoveLinkException("no greeting came");
            return hello.Protocol == MoveProtocol.Version ? transport : throw new CracException(
                CracReason.HostNotReady,
                $"PSCrac on {host} speaks version {hello.Protocol} of the protocol of moves, and this one version {MoveProtocol.Version}.",
                $"Install the same version of PSCrac on both hosts: {hello.ModuleVersion} is on {host}.");
        }
        catch (MoveLinkException e)
        {
            CracException failure = transport.Explain(e);
            transport.Dispose();
            throw failure;
        }
        catch
        {
            transport.Dispose();
            throw;
        }
    }

    /// <summary>Ends ssh at once; what reads or writes then fails.</summary>
    internal void Kill()
    {
        lock (_reaping)
        {
            if (_end is null)
            {
                LibC.Signal(_pidFd, LibC.SIGKILL);
            }
        }
    }

    /// <summary>ssh itself, for tests that end it.</summary>
    internal required int ProcessId { get; init; }

    /// <summary>The exception for a connection that ended: what ssh, or pwsh on the far side, wrote last.</summary>
    internal CracException Explain(MoveLinkException cause)
    {
        Channel.Dispose();
        Reap(EndMilliseconds);
        string[] lines = [.. Read().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
        string said = lines.Length == 0 ? cause.Message : lines[^1].TrimEnd('.');
        string everything = string.Join('\n', lines);
        return _end switch
        {
            (NoConnectionCode, true) when !_hasGreeted => new CracException(
                CracReason.HostUnreachable,
                $"ssh cannot connect to {_host}: {said}.",
                $"Make this work without a question first: {_host.Example} true. It needs a key (ssh-keygen, ssh-copy-id, or an agent), and the host's key among the known hosts.",
                cause)
            { OutputLines = Last(lines) },
            (NoProgramCode, true) => new CracException(
                CracReason.HostNotReady,
                $"There is no pwsh on {_host}, or it is not on the PATH that ssh gives a command: {said}.",
                $"Install PowerShell 7.6 there, so that this works: {_host.Example} pwsh -v.",
                cause)
            { OutputLines = Last(lines) },
            _ when everything.Contains("PSCrac", StringComparison.Ordinal) && (everything.Contains("was not loaded", StringComparison.Ordinal) || everything.Contains("Unable to find type", StringComparison.Ordinal)) => new CracException(
                CracReason.HostNotReady,
                $"pwsh on {_host} finds no module PSCrac that can receive a process.",
                $"Install this version of PSCrac there for all users: {_host.Example} pwsh -c 'Install-PSResource PSCrac -Scope AllUsers'.",
                cause)
            { OutputLines = Last(lines) },
            _ => new CracException(
                CracReason.ConnectionLost,
                $"The connection to {_host} ended: {said}.",
                $"Check the link to {_host}, and move the process again.",
                cause)
            { OutputLines = Last(lines) },
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Channel.Dispose();
        if (!LibC.WaitReadable(_pidFd, EndMilliseconds))
        {
            Kill();
        }

        Reap(int.MaxValue);
        _pidFd.Dispose();
        _messages.Dispose();
    }

    private static SshTransport Start(MoveHost host)
    {
        string program = FindProgram();
        bool asks = PreflightEnvironment.Read().HasTerminal;
        SafeFileHandle? theirInput = null, theirOutput = null, input = null, output = null, messages = null;
        try
        {
            Errno errno = LibC.CreatePipe(out theirInput, out output);
            errno = errno != 0 ? errno : LibC.CreatePipe(out input, out theirOutput);
            Errno noMessages = Errno.None;
            messages = errno != 0 ? null : LibC.CreateMemoryFile("ssh-messages", out noMessages);
            errno = errno != 0 ? errno : noMessages;
            if (errno != 0)
            {
                throw LimitFailure(errno);
            }

            using SafeFileHandle read = LibC.Duplicate(theirInput, LowestSource, out _);
            using SafeFileHandle written = LibC.Duplicate(theirOutput!, LowestSource, out _);
            using SafeFileHandle said = LibC.Duplicate(messages!, LowestSource, out _);

            // Ctrl+C in the terminal is for this session, which ends ssh when it is time.
            errno = LibC.Spawn(
                program, ["ssh", .. host.Arguments(asks), Command], ReadEnvironment(), [(read, 0), (written, 1), (said, 2)], [LibC.SIGINT], [LibC.SIGPIPE],
                out int pid, closed: LibC.ListDescriptors(), inGroup: asks);
            SafeFileHandle? pidFd = errno == 0 ? LibC.OpenPidFd(pid, out errno) : null;
            if (errno != 0)
            {
                pidFd?.Dispose();
                throw new CracException(CracReason.ProgramMissing, $"{program} could not be started: {LibC.Message(errno)}.", CriuPrograms.DescribeInstallation("ssh"));
            }

            var transport = new SshTransport(host, pidFd!, messages!, new MoveChannel(input!, output!)) { ProcessId = pid };
            (input, output, messages) = (null, null, null);
            return transport;
        }
        finally
        {
            theirInput?.Dispose();
            theirOutput?.Dispose();
            input?.Dispose();
            output?.Dispose();
            messages?.Dispose();
        }
    }

    private static string FindProgram()
    {
        if (Environment.GetEnvironmentVariable(ProgramVariable) is { Length: > 0 } named)
        {
            FileTrust.Require(named, "The program at", $"name another with {ProgramVariable}");
            return named;
        }

        return CriuPrograms.Find("ssh")
            ?? throw new CracException(CracReason.ProgramMissing, "ssh, which connects to the other host, is not installed.", CriuPrograms.DescribeInstallation("ssh"));
    }

    private static CracException LimitFailure(Errno errno) =>
        Processes.LimitFailure.Explain("ssh could not be started", errno)
        ?? new CracException(CracReason.Unknown, $"ssh could not be started: {LibC.Message(errno)}.", "Run the command again.");

    private static List<string> ReadEnvironment()
    {
        var environment = new List<string>();
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            environment.Add(string.Create(CultureInfo.InvariantCulture, $"{variable.Key}={variable.Value}"));
        }

        return environment;
    }

    // The message has the last line.
    private static string[] Last(string[] lines)
    {
        const int Shown = 5;
        return lines.Length > Shown ? lines[^Shown..] : lines.Length > 1 ? lines : [];
    }

    private void Reap(int milliseconds)
    {
        lock (_reaping)
        {
            if (_end is null && LibC.WaitReadable(_pidFd, milliseconds))
            {
                _end = LibC.Reap(_pidFd, out int code, out bool exited) == 0 ? (code, exited) : (-1, false);
            }
        }
    }

    private string Read()
    {
        byte[] buffer = new byte[MaximumMessage];
        int length = RandomAccess.Read(_messages, buffer, Math.Max(0, RandomAccess.GetLength(_messages) - MaximumMessage));
        return Encoding.UTF8.GetString(buffer, 0, length);
    }
}
