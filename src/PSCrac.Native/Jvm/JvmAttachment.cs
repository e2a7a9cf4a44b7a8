using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>
/// A client of the HotSpot attach protocol: commands to a running JVM, without the JDK's tools. A JVM listens on a unix socket,
/// /tmp/.java_pidN in its own mount namespace, N being its own pid; it opens the socket when it gets a SIGQUIT while a file
/// .attach_pidN is in its working directory or in /tmp. A connection takes one command
/// (OpenJDK's src/hotspot/share/services/attachListener.hpp and src/hotspot/os/posix/attachListener_posix.cpp).
/// </summary>
internal sealed partial class JvmAttachment
{
    // Limits of version 1 of the protocol, which every HotSpot since JDK 6 speaks.
    private const int MaximumArguments = 3;
    private const int MaximumArgumentLength = 1024;

    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan MinimumPause = TimeSpan.FromMilliseconds(2);
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    private readonly JvmProcess _jvm;
    private readonly string _socketName;
    private bool _actsAsItsUser;
    private int? _version;

    private JvmAttachment(JvmProcess jvm)
    {
        _jvm = jvm;
        _socketName = $".java_pid{jvm.InnerProcessId}";
    }

    /// <summary>How long the JVM may take to open its socket and to answer, where nothing else is said.</summary>
    internal static TimeSpan DefaultTimeout { get; } = TimeSpan.FromSeconds(10);

    /// <summary>Prepares a JVM for commands.</summary>
    /// <param name="jvm">The JVM.</param>
    /// <param name="timeout">How long it may take; null for <see cref="DefaultTimeout"/>.</param>
    /// <param name="cancellation">Ends the wait; the JVM may open its socket all the same.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.JvmNotAttachable"/>: it takes no commands, stands still, or did not answer in time;
    /// <see cref="CracReason.PermissionDenied"/>: it is another user's; <see cref="CracReason.ProcessGone"/>.
    /// </exception>
    internal static JvmAttachment Open(JvmProcess jvm, TimeSpan? timeout = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(jvm);
        var attachment = new JvmAttachment(jvm);
        var limit = new Deadline(timeout ?? DefaultTimeout, cancellation);
        attachment.RequireAnswerable();
        if (!attachment.HasSocket())
        {
            attachment.Wake(limit);
        }

        try
        {
            attachment.Connect(limit).Dispose();
        }
        catch (CracException e) when (e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused } && attachment.RemoveStaleSocket())
        {
            // When it is asked again, the JVM checks that its file exists, and makes a new one (JDK 11 and later).
            attachment.Wake(limit);
            attachment.Connect(limit).Dispose();
        }

        return attachment;
    }

    /// <summary>Sends the JVM a command and waits for its answer.</summary>
    /// <param name="command">The command's name, such as <c>properties</c>, <c>threaddump</c>, <c>printflag</c> or <c>jcmd</c>.</param>
    /// <param name="arguments">Its arguments; a jcmd command with its own arguments is one.</param>
    /// <param name="timeout">How long it may take; null for <see cref="DefaultTimeout"/>.</param>
    /// <param name="cancellation">Ends the wait; the JVM may carry the command out all the same.</param>
    /// <exception cref="CracException">As <see cref="Open"/>, and <see cref="CracReason.OptionRefused"/> for arguments that cannot be passed.</exception>
    internal JvmReply Send(string command, IReadOnlyList<string>? arguments = null, TimeSpan? timeout = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(command);
        arguments ??= [];
        var limit = new Deadline(timeout ?? DefaultTimeout, cancellation);
        RequireAnswerable();
        byte[] request = Compose(command, arguments, limit);
        byte[] answer = Exchange(request, limit);
        if (answer.Length == 0 && !_actsAsItsUser && CanActAsItsUser(out JvmTask task) && task.User != 0)
        {
            // JVMs before JDK 11, and those in a user namespace of their own, close root's connections.
            _actsAsItsUser = true;
            answer = Exchange(request, limit);
        }

        return Parse(answer);
    }

    /// <summary>Gives a diagnostic command, as the JDK's <c>jcmd</c> tool does, such as <c>VM.version</c>.</summary>
    /// <inheritdoc cref="Send" path="/exception"/>
    /// <param name="line">The command and its arguments, blanks between them.</param>
    /// <param name="timeout">How long it may take; null for <see cref="DefaultTimeout"/>.</param>
    /// <param name="cancellation">Ends the wait.</param>
    internal JvmReply Jcmd(string line, TimeSpan? timeout = null, CancellationToken cancellation = default) =>
        Send("jcmd", [line], timeout, cancellation);

    /// <summary>The value that a flag of the JVM has, as text: a string flag that is not set gives an empty one.</summary>
    /// <param name="name">The flag's name without -XX:.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The value; <c>+</c> or <c>-</c> for a flag that is on or off; null where the JVM has no such flag.</returns>
    /// <inheritdoc cref="Send" path="/exception"/>
    internal string? ReadFlag(string name, CancellationToken cancellation = default)
    {
        string text = Send("printflag", [name], null, cancellation).Text.Trim();
        const string Prefix = "-XX:";
        return !text.StartsWith(Prefix, StringComparison.Ordinal) ? null
            : text.IndexOf('=', StringComparison.Ordinal) is > 0 and int equals ? text[(equals + 1)..]
            : text.AsSpan(Prefix.Length) is ['+' or '-', ..] ? text.Substring(Prefix.Length, 1)
            : string.Empty;
    }

    /// <summary>The JVM's system properties.</summary>
    /// <param name="cancellation">Ends the wait.</param>
    /// <inheritdoc cref="Send" path="/exception"/>
    internal IReadOnlyDictionary<string, string> ReadProperties(CancellationToken cancellation = default) =>
        JavaProperties.Parse(Send("properties", null, null, cancellation).Text);

    private byte[] Compose(string command, IReadOnlyList<string> arguments, Deadline limit)
    {
        if (command.Contains('\0', StringComparison.Ordinal) || arguments.Any(static argument => argument.Contains('\0', StringComparison.Ordinal)))
        {
            throw new CracException(CracReason.OptionRefused, "A command to a JVM cannot contain a NUL character.");
        }

        if (arguments.Count <= MaximumArguments && arguments.All(static argument => Utf8.GetByteCount(argument) <= MaximumArgumentLength))
        {
            return Utf8.GetBytes($"1\0{command}\0{string.Join('\0', arguments.Concat(Enumerable.Repeat(string.Empty, MaximumArguments - arguments.Count)))}\0");
        }

        _version ??= Parse(Exchange(Utf8.GetBytes("1\0getversion\0\0\0\0"), limit)) is { IsSuccess: true } reply
            && int.TryParse(reply.Text.Trim(), CultureInfo.InvariantCulture, out int version) ? version : 1;
        if (_version < 2)
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"A JVM before JDK 24 takes {MaximumArguments} arguments of {MaximumArgumentLength} bytes to a command; these are more.",
                "Give shorter arguments.");
        }

        byte[] words = Utf8.GetBytes($"{command}\0{string.Concat(arguments.Select(static argument => argument + '\0'))}");
        return [.. Utf8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"2\0{words.Length}\0")), .. words];
    }

    private byte[] Exchange(byte[] request, Deadline limit)
    {
        using Socket socket = Connect(limit);
        var answer = new MemoryStream();
        try
        {
            for (int sent = 0; sent < request.Length;)
            {
                Await(socket, SelectMode.SelectWrite, limit);
                sent += socket.Send(request.AsSpan(sent));
            }

            byte[] buffer = new byte[16 * 1024];
            while (true)
            {
                Await(socket, SelectMode.SelectRead, limit);
                int read = socket.Receive(buffer);
                if (read == 0)
                {
                    break;
                }

                answer.Write(buffer, 0, read);
            }
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown or SocketError.ConnectionAborted)
        {
            // The JVM closed the connection, or ended: what it has sent is its answer.
        }

        return answer.ToArray();
    }

    private Socket Connect(Deadline limit)
    {
        // Opened first: /proc/PID/root of a program with capabilities may be closed to the program's own user.
        using SafeFileHandle file = OpenSocketFile();
        string path = $"/proc/self/fd/{file.DangerousGetHandle()}";
        if (!_actsAsItsUser || !CanActAsItsUser(out JvmTask task))
        {
            return ConnectTo(path, limit);
        }

        try
        {
            return LibC.RunAs(task.User, task.Group, () => ConnectTo(path, limit));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new CracException(
                CracReason.PermissionDenied, $"The JVM {_jvm.ProcessId} accepts commands from its own user only, and this process may not take that user's ids: {e.Message}.",
                "Run as the user the JVM runs as.", e);
        }
    }

    // Anyone may write to /tmp, and put a link or a socket of his own there at any moment: the file whose owner is checked is the one
    // that is connected to.
    private SafeFileHandle OpenSocketFile()
    {
        using FolderHandle folder = OpenTemporaryFolder();
        SafeFileHandle file = folder.Open(_socketName, LibC.O_PATH | LibC.O_NOFOLLOW, out Errno errno);
        if (errno == 0 && FileStatus.TryReadAt(file, "", LibC.AT_EMPTY_PATH, out FileStatus status, out errno) && ReadTask() is { } task
            && (status.Type != FileType.Socket || status.UserId != task.User))
        {
            file.Dispose();
            throw new CracException(
                CracReason.JvmNotAttachable,
                $"/tmp/{_socketName} is not the socket of the JVM {_jvm.ProcessId}: it {(status.Type != FileType.Socket ? "is no socket" : "is another user's")} (user {status.UserId}).",
                "Remove that file; the JVM makes its own when it is asked again.");
        }

        if (errno == 0)
        {
            return file;
        }

        file.Dispose();
        throw ReadTask() is null ? Gone() : errno is Errno.EACCES or Errno.EPERM ? PermissionDenied(null) : NotListening($"{LibC.Message(errno)}", null);
    }

    private CracException NotListening(string why, Exception? inner) => new(
        CracReason.JvmNotAttachable,
        $"The JVM {_jvm.ProcessId} does not listen on its socket /tmp/{_socketName}: {why}.",
        "The file may be left over from another process; remove it and try again.", inner);

    // /tmp as the JVM sees it: a link in its root does not lead out of it.
    private FolderHandle OpenTemporaryFolder()
    {
        using SafeFileHandle root = LibC.Open($"/proc/{_jvm.ProcessId}/root", LibC.O_PATH | LibC.O_DIRECTORY, out Errno errno);
        using PathWalk? walk = errno == 0 ? PathWalk.Along("/tmp", root) : null;
        FolderHandle? folder = walk is null ? null : FolderHandle.TryOpen(walk, out errno);
        return folder ?? throw (errno is Errno.EACCES or Errno.EPERM ? PermissionDenied(null) : Gone());
    }

    private Socket ConnectTo(string path, Deadline limit)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            while (true)
            {
                try
                {
                    // Non-blocking: the queue of connections of a stopped JVM can be full.
                    socket.Connect(new UnixDomainSocketEndPoint(path));
                    break;
                }
                catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.TryAgain)
                {
                    limit.Pause(Slice, TimedOut);
                }
            }

            RequireListener(socket);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw e.SocketErrorCode == SocketError.AccessDenied
                ? PermissionDenied(e)
                : NotListening(e.Message, e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // Anyone may write to /tmp: the listener must belong to the JVM's user, or commands would go to another program.
    private void RequireListener(Socket socket)
    {
        const int SOL_SOCKET = 1;
        const int SO_PEERCRED = 17;
        Span<int> credentials = stackalloc int[3]; // struct ucred: pid, uid, gid (unix(7))
        socket.GetRawSocketOption(SOL_SOCKET, SO_PEERCRED, System.Runtime.InteropServices.MemoryMarshal.AsBytes(credentials));
        if (ReadTask() is { } task && (uint)credentials[1] != task.User)
        {
            throw new CracException(
                CracReason.JvmNotAttachable,
                $"The socket /tmp/.java_pid{_jvm.InnerProcessId} is not that of the JVM {_jvm.ProcessId}: user {(uint)credentials[1]} listens there.",
                "Remove that file; the JVM makes its own when it is asked again.");
        }
    }

    private void Await(Socket socket, SelectMode what, Deadline limit)
    {
        while (!socket.Poll(Slice, what))
        {
            limit.Check(TimedOut);
            if (JvmTask.TryRead(_jvm.Identity) is null)
            {
                // What it sent before it ended can still be read.
                return;
            }
        }
    }

    private bool HasSocket()
    {
        using FolderHandle folder = OpenTemporaryFolder();
        return folder.Contains(_socketName);
    }

    private void RequireAnswerable()
    {
        if (_jvm.IsAttachDisabled)
        {
            throw new CracException(
                CracReason.JvmNotAttachable,
                $"The JVM {_jvm.ProcessId} was started with -XX:+DisableAttachMechanism and accepts no commands.",
                "Start it without that option, let its own code ask for the checkpoint, or use -Engine Criu.");
        }

        if ((ReadTask() ?? throw Gone()).IsStopped)
        {
            throw new CracException(
                CracReason.JvmNotAttachable,
                $"The JVM {_jvm.ProcessId} is stopped and cannot answer.",
                $"Continue it with: kill -CONT {_jvm.ProcessId}; or end the debugger that stopped it.");
        }
    }

    private JvmTask? ReadTask() => JvmTask.TryRead(_jvm.Identity);

    private bool CanActAsItsUser(out JvmTask task)
    {
        JvmTask? read = ReadTask();
        task = read.GetValueOrDefault();
        return read is not null && Environment.IsPrivilegedProcess;
    }

    private JvmReply Parse(byte[] answer)
    {
        string text = Utf8.GetString(answer);
        int end = text.IndexOf('\n', StringComparison.Ordinal);
        if (end >= 0 && int.TryParse(text.AsSpan(0, end), CultureInfo.InvariantCulture, out int status))
        {
            return new JvmReply(status, text[(end + 1)..]);
        }

        throw ReadTask() is null ? Gone() : new CracException(
            CracReason.JvmNotAttachable,
            $"The JVM {_jvm.ProcessId} closed the connection without an answer.",
            "It accepts commands from its own user, and from JDK 11 on from root: run as one of these.");
    }

    private CracException TimedOut(TimeSpan limit) => new(
        CracReason.JvmNotAttachable,
        $"The JVM {_jvm.ProcessId} did not answer within {limit.TotalSeconds:0.#} s.",
        "It may be busy collecting garbage or at a breakpoint; try again, or use -Engine Criu.");

    private CracException Gone() => new(
        CracReason.ProcessGone, $"The JVM {_jvm.ProcessId} has ended.", "Get-Process shows what runs now.");

    private CracException PermissionDenied(Exception? inner) => new(
        CracReason.PermissionDenied, $"Commands to the JVM {_jvm.ProcessId} are not allowed to this user.",
        "Run as root, or as the user the JVM runs as.", inner);

    /// <summary>A time limit with a cancellation.</summary>
    private readonly struct Deadline(TimeSpan limit, CancellationToken cancellation)
    {
        private readonly long _start = Stopwatch.GetTimestamp();

        internal void Check(Func<TimeSpan, Exception> explain)
        {
            cancellation.ThrowIfCancellationRequested();
            if (Stopwatch.GetElapsedTime(_start) >= limit)
            {
                throw explain(limit);
            }
        }

        internal void Pause(TimeSpan pause, Func<TimeSpan, Exception> explain)
        {
            Check(explain);
            cancellation.WaitHandle.WaitOne(pause);
            cancellation.ThrowIfCancellationRequested();
        }
    }
}
