using System.Runtime.InteropServices;

namespace PSCrac.Starting;

/// <summary>
/// Forwards signals that this process receives to a program, as a service's main process or a container's PID 1 must. A signal that
/// arrives before the program was started acts only on this process.
/// </summary>
internal sealed class SignalForwarding : IDisposable
{
    // PosixSignal has no names for SIGUSR1 and SIGUSR2.
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
    private volatile bool _wasEnded;

    /// <summary>Registers the handlers.</summary>
    /// <param name="keepsThisProcess">Whether a forwarded signal has no effect on this process, which waits for the program.</param>
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
    /// Whether Ctrl+C (SIGINT) was forwarded. PowerShell stops the pipeline too, but the program decides whether it ends. Forwarded only
    /// where this process waits for the program; otherwise it only stops the pipeline.
    /// </summary>
    internal bool WasInterrupted => _wasInterrupted;

    /// <summary>Whether a signal was forwarded that asks a program to end: SIGTERM, SIGINT or SIGQUIT.</summary>
    internal bool WasEnded => _wasEnded;

    /// <summary>
    /// Called on another thread before SIGQUIT is forwarded, and after all other handlers of <see cref="Console.CancelKeyPress"/>; null for
    /// none.
    /// </summary>
    internal Action? Quitting { get; init; }

    /// <summary>Sets the program that signals are forwarded to.</summary>
    /// <param name="process">The program.</param>
    internal void Forward(CracStartedProcess process)
    {
        ArgumentNullException.ThrowIfNull(process);
        _child = process.Child;
    }

    /// <summary>Removes the handlers.</summary>
    public void Dispose()
    {
        Console.CancelKeyPress -= OnCancelKey;
        _registrations.ForEach(static registration => registration.Dispose());
    }

    // Of the console's handlers the last to be added is called last; of a PosixSignal's it would be called first.
    private void OnCancelKey(object? sender, ConsoleCancelEventArgs e)
    {
        if (e.SpecialKey == ConsoleSpecialKey.ControlBreak && _child is { HasExited: false } child)
        {
            Quitting?.Invoke();
            _wasEnded = true;
            child.Signal(NumberOf(PosixSignal.SIGQUIT));
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
        _wasEnded |= context.Signal is PosixSignal.SIGINT or PosixSignal.SIGTERM;
        child.Signal(NumberOf(context.Signal));
        context.Cancel = _keepsThisProcess;
    }

    /// <summary>The number of a signal, which it may be already.</summary>
    internal static int NumberOf(PosixSignal signal) => Numbers.TryGetValue(signal, out int number) ? number : (int)signal;
}
