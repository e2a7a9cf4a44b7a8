using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Processes;

namespace PSCrac.PidNamespaces;

/// <summary>
/// A new pid namespace and its first process, crac-start. The init is started here and runs as long as the root of the tree,
/// which is restored in the namespace or started by the init. Until <see cref="Keep"/>, the namespace ends with this process.
/// </summary>
internal sealed class NamespaceInitProcess : IDisposable
{
    private const int ControlDescriptor = 3;
    private const int ProgramDescriptor = 4;
    private const int LowestSource = 200;
    private const int Slice = 50;
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    // The signals that crac-start forwards (its ForwardedSignals), and SIGCHLD. They are blocked from the start, so that the init
    // can read them from a descriptor and none ends it before.
    private static readonly int[] Blocked = [1, 2, 3, 10, 12, 14, 15, 17, 18, 20, 28, .. Enumerable.Range(35, 30)];

    private readonly SafeFileHandle _pidFd;
    private readonly SafeFileHandle _control;
    private readonly SafeFileHandle _output;
    private readonly TaskCompletionSource<(int Code, bool Exited)?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _closing = new();
    private bool _watched;
    private bool _kept;
    private bool _reaped;

    private NamespaceInitProcess(int processId, SafeFileHandle pidFd, SafeFileHandle control, SafeFileHandle output)
    {
        ProcessId = processId;
        _pidFd = pidFd;
        _control = control;
        _output = output;
    }

    /// <summary>The init's pid in the caller's pid namespace.</summary>
    internal int ProcessId { get; }

    /// <summary>
    /// Completed when the namespace has ended, after <see cref="Watch"/>: the root's exit code or the number of the signal
    /// that ended it, and whether it exited by itself; null if the init itself was killed.
    /// </summary>
    internal Task<(int Code, bool Exited)?> Ended => _ended.Task;

    /// <summary>Creates a pid and a mount namespace and starts the init in them.</summary>
    /// <param name="ids">The process and thread ids of the image, which must stay free in the namespace.</param>
    /// <param name="root">The root's id.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    /// <param name="host">The host of the init; null to find one.</param>
    /// <exception cref="CracException">The namespaces could not be created, or the init did not start.</exception>
    internal static NamespaceInitProcess Start(IReadOnlyList<int> ids, int root, CancellationToken cancellation, NamespaceInitHost? host = null)
    {
        host ??= NamespaceInitHost.Locate();
        NamespaceInitProcess init = Spawn(host, Settings(host, ids.Min(), PidGap.FindStart(ids), ("ROOT", root)), program: null);
        try
        {
            init.WaitUntilReady(host, cancellation);
            cancellation.ThrowIfCancellationRequested();
            return init;
        }
        catch
        {
            init.Dispose();
            throw;
        }
    }

    /// <summary>Creates the namespaces and starts the init in them, which starts a program.</summary>
    /// <param name="program">The program.</param>
    /// <param name="minimumId">The lowest id for the program in the namespace.</param>
    /// <param name="rootId">The program's id in the namespace.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    /// <returns>The namespace. Its root is not reaped before <see cref="Watch"/>.</returns>
    /// <exception cref="CracException">
    /// The namespaces could not be created, or the program could not be started (<see cref="CracReason.ProgramNotStarted"/>).
    /// </exception>
    internal static NamespaceInitProcess StartProgram(NamespaceProgram program, int minimumId, out int rootId, CancellationToken cancellation)
    {
        NamespaceInitHost host = NamespaceInitHost.Locate();
        int last = Math.Max(minimumId - 1, PidGap.First);
        using SafeFileHandle strings = program.Write();
        NamespaceInitProcess init = Spawn(host, Settings(host, last + 1, last, ("PROGRAM", ProgramDescriptor)), strings);
        try
        {
            rootId = init.WaitUntilStarted(host, program, cancellation);
            cancellation.ThrowIfCancellationRequested();
            return init;
        }
        catch
        {
            init.Dispose();
            throw;
        }
    }

    /// <summary>Opens the namespaces, to start criu in them.</summary>
    internal PidNamespace OpenNamespace() =>
        PidNamespace.TryOpen(ProcessId, out Errno errno) ?? throw NamespaceFailed($"its namespaces could not be opened: {LibC.Message(errno)}");

    /// <summary>Makes the namespace end with its root, or with this process.</summary>
    internal void Watch()
    {
        _watched = true;
        LibC.Send(_control, "W"u8);

        // The init is a child of this process, which therefore must reap it.
        new Thread(AwaitEnd, 64 * 1024) { IsBackground = true, Name = "pid namespace" }.Start();
    }

    /// <summary>Makes the namespace independent of this process; it ends with its root.</summary>
    internal void Keep()
    {
        if (!_watched)
        {
            Watch();
        }

        lock (_closing)
        {
            // Only once: the init does not read a second message.
            if (!_reaped && !_kept)
            {
                _kept = true;
                LibC.Send(_control, "G"u8);
            }
        }
    }

    /// <summary>Ends the namespace, unless <see cref="Watch"/> was called.</summary>
    public void Dispose()
    {
        if (_watched)
        {
            return;
        }

        if (!_reaped)
        {
            LibC.Signal(_pidFd, LibC.SIGKILL);
            LibC.Reap(_pidFd, out _, out _);
            _reaped = true;
        }

        Close();
    }

    private static NamespaceInitProcess Spawn(NamespaceInitHost host, List<string> environment, SafeFileHandle? program)
    {
        Errno errno = LibC.CreateSocketPair(out SafeFileHandle ours, out SafeFileHandle theirs);
        SafeFileHandle output = LibC.CreateMemoryFile("init-output", out Errno noOutput);
        errno = errno != 0 ? errno : noOutput;
        using SafeFileHandle nothing = LibC.Open("/dev/null", LibC.O_RDWR, out _);
        using SafeFileHandle control = LimitFailure.CopyHigh(theirs, LowestSource, ref errno);
        using SafeFileHandle input = LimitFailure.CopyHigh(nothing, LowestSource, ref errno);
        using SafeFileHandle written = LimitFailure.CopyHigh(output, LowestSource, ref errno);
        using SafeFileHandle? described = program is null ? null : LimitFailure.CopyHigh(program, LowestSource, ref errno);
        List<(SafeHandle, int)> descriptors = [(input, 0), (written, 1), (written, 2), (control, ControlDescriptor)];
        if (described is not null)
        {
            descriptors.Add((described, ProgramDescriptor));
        }

        theirs.Dispose();
        List<int> closed = [.. LibC.ListDescriptors().Where(static number => number > ProgramDescriptor)];
        int pid = 0;
        string step = "the namespaces could not be created";
        errno = errno != 0 ? errno : NamespaceThread.Run(() =>
        {
            Errno failed = LibC.Unshare(LibC.CLONE_NEWNS | LibC.CLONE_NEWPID);
            failed = failed != 0 ? failed : LibC.DetachMounts();
            if (failed == 0)
            {
                step = $"{host.Program} could not be started";
                failed = LibC.Spawn(host.Program, host.Arguments, environment, descriptors, Blocked, Blocked, out pid, closed: closed);
            }

            return failed;
        });
        SafeFileHandle? pidFd = errno == 0 ? LibC.OpenPidFd(pid, out errno) : null;
        if (errno == 0)
        {
            return new NamespaceInitProcess(pid, pidFd!, ours, output);
        }

        ours.Dispose();
        output.Dispose();
        throw errno == Errno.EPERM
            ? new CracException(CracReason.PermissionDenied, $"A new pid namespace cannot be created: {LibC.Message(errno)}.", "Run as root, with CAP_SYS_ADMIN.")
            : LimitFailure.Explain("A new pid namespace cannot be created", errno) ?? NamespaceFailed($"{step}: {LibC.Message(errno)}");
    }

    private static List<string> Settings(NamespaceInitHost host, int lowest, int last, (string Name, int Value) own)
    {
        // The session's environment is not inherited: it could contain a profiler or a startup hook.
        List<string> environment =
        [
            .. host.Environment, $"PATH={FileTrust.SearchPath()}",
            "DOTNET_EnableDiagnostics=0", "DOTNET_gcConcurrent=0", "DOTNET_TieredPGO=0",
        ];
        void Add(string name, int value) => environment.Add(string.Create(CultureInfo.InvariantCulture, $"PSCRAC_INIT_{name}={value}"));
        Add("CONTROL", ControlDescriptor);
        Add("LOWEST", lowest);
        Add("LAST", last);
        Add(own.Name, own.Value);
        return environment;
    }

    private void WaitUntilReady(NamespaceInitHost host, CancellationToken cancellation)
    {
        Span<byte> message = stackalloc byte[8];
        int length = AwaitMessage(message, cancellation);
        if (length < 1 || message[0] != (byte)'R')
        {
            throw NotReady(host, message[..Math.Max(0, length)]);
        }
    }

    private int WaitUntilStarted(NamespaceInitHost host, NamespaceProgram program, CancellationToken cancellation)
    {
        const int FailedProgram = 4;
        Span<byte> message = stackalloc byte[8];
        int length = AwaitMessage(message, cancellation);
        if (length >= 5 && message[0] == (byte)'S')
        {
            return BinaryPrimitives.ReadInt32LittleEndian(message[1..]);
        }

        throw length >= 3 && message[0] == (byte)'E' && message[2] == FailedProgram
            ? NamespaceProgram.NotStarted(program.Name, (Errno)message[1])
            : NotReady(host, message[..Math.Max(0, length)]);
    }

    private int AwaitMessage(Span<byte> message, CancellationToken cancellation)
    {
        long end = Environment.TickCount64 + (long)StartTimeout.TotalMilliseconds;
        while (!LibC.WaitReadable(_control, Slice))
        {
            cancellation.ThrowIfCancellationRequested();
            if (Environment.TickCount64 >= end)
            {
                throw NamespaceFailed($"its first process was not ready within {StartTimeout.TotalSeconds:0} s");
            }
        }

        return LibC.Receive(_control, message);
    }

    private CracException NotReady(NamespaceInitHost host, ReadOnlySpan<byte> message) => NamespaceFailed(
        message.Length >= 3 && message[0] == (byte)'E'
            ? $"{DescribeStep(message[2])}: {LibC.Message((Errno)message[1])}"
            : $"its first process ended while {host.Program} started it. {ReadOutput()}".TrimEnd());

    private void AwaitEnd()
    {
        LibC.Reap(_pidFd, out _, out _);
        Span<byte> message = stackalloc byte[8];
        int length = LibC.Receive(_control, message);

        // If the init ended without reading the last message, the first receive fails once with ECONNRESET.
        length = length < 0 ? LibC.Receive(_control, message) : length;
        bool isReported = length >= 3 && message[0] == (byte)'X';
        lock (_closing)
        {
            _reaped = true;
            Close();
        }

        _ended.SetResult(isReported ? (message[2], message[1] != 0) : null);
    }

    private void Close()
    {
        _control.Dispose();
        _pidFd.Dispose();
        _output.Dispose();
    }

    private string ReadOutput()
    {
        byte[] buffer = new byte[2048];
        int read = RandomAccess.Read(_output, buffer, 0);
        return Encoding.UTF8.GetString(buffer, 0, read).Trim();
    }

    // The numbers are those of NamespaceInit in crac-start.
    private static string DescribeStep(byte step) => step switch
    {
        1 => "its proc could not be mounted",
        2 => "its first process could not open its signal descriptor",
        _ => "its first process could not execute itself again",
    };

    private static CracException NamespaceFailed(string why) => new(
        CracReason.NamespaceUnsupported, $"A new pid namespace could not be created: {why}.", "Use -PidNamespace Host, the pid namespace of this session.");
}
