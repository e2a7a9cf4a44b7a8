using System.Runtime.InteropServices;

namespace PSCrac.Starting;

/// <summary>
/// Passes on to a program the signals that ask this process to end or to do something, for as long as this process
/// stands in front of it, as a service's main process or as PID 1 of a container does. A signal that comes before
/// there is a program acts on this process alone.
/// </summary>
internal sealed class SignalForwarding : IDisposable
{
    // SIGUSR1 and SIGUSR2 have no names here.
    private static readonly int[] Signals = [(int)PosixSignal.SIGTERM, (int)PosixSignal.SIGHUP, 10, 12];
    private static readonly Dictionary<PosixSignal, int> Numbers = new()
    {
        [PosixSignal.SIGHUP] = 1,
        [PosixSignal.SIGINT] = 2,
        [PosixSignal.SIGQUIT] = 3,
        [PosixSignal.SIGTERM] = 15,
    };

    private readonly bool _keepsThisProcess;
    private readonly List<PosixSignalRegistration> _registrations = [];
    private volatile ChildProcess? _child;
    private volatile bool _wasInterrupted;

    /// <summary>Begins to listen.</summary>
    /// <param name="keepsThisProcess">Whether a signal that was passed on no longer acts on this process, which waits for the program instead.</param>
    internal SignalForwarding(bool keepsThisProcess)
    {
        _keepsThisProcess = keepsThisProcess;
        foreach (int signal in keepsThisProcess ? [.. Signals, (int)PosixSignal.SIGINT] : Signals)
        {
            _registrations.Add(PosixSignalRegistration.Create((PosixSignal)signal, OnSignal));
        }

        Console.CancelKeyPress += OnCancelKey;
    }

    /// <summary>
    /// Whether Ctrl+C (SIGINT) was passed on. PowerShell stops the pipeline for it as well, but it is the program's to end.
    /// Only heeded where this process waits for the program; else it stops the pipeline and nothing more.
    /// </summary>
    internal bool WasInterrupted => _wasInterrupted;

    /// <summary>
    /// Called on another thread before SIGQUIT is passed on, and after whoever else has asked the console for it was told; null
    /// for nobody.
    /// </summary>
    internal Action? Quitting { get; init; }

    /// <summary>Names the program to pass signals on to.</summary>
    /// <param name="process">The program.</param>
    internal void Forward(CracStartedProcess process)
    {
        ArgumentNullException.ThrowIfNull(process);
        _child = process.Child;
    }

    /// <summary>Stops listening.</summary>
    public void Dispose()
    {
        Console.CancelKeyPress -= OnCancelKey;
        _registrations.ForEach(static registration => registration.Dispose());
    }

    // Of the console's handlers the last to come is called last; of a signal's own it would be called first.
    private void OnCancelKey(object? sender, ConsoleCancelEventArgs e)
    {
        if (e.SpecialKey == ConsoleSpecialKey.ControlBreak && _child is { HasExited: false } child)
        {
            Quitting?.Invoke();
            child.Signal(Numbers[PosixSignal.SIGQUIT]);
            e.Cancel |= _keepsThisProcess;
        }
    }

    private void OnSignal(PosixSignalContext context)
    {
        if (_child is not { HasExited: false } child)
        {
            return;
        }

        _wasInterrupted |= context.Signal == PosixSignal.SIGINT;
        child.Signal(Numbers.TryGetValue(context.Signal, out int number) ? number : (int)context.Signal);
        context.Cancel = _keepsThisProcess;
    }
}
