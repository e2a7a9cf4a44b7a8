using System.Runtime.InteropServices;

namespace PSCrac.Starting;

/// <summary>
/// Passes on to a program the signals that ask this process to end or to do something, for as long as this process
/// stands in front of it, as a service's main process or as PID 1 of a container does. A signal that comes before
/// there is a program acts on this process alone.
/// </summary>
public sealed class SignalForwarding : IDisposable
{
    // SIGINT is PowerShell's own: it is Ctrl+C, and stops the pipeline.
    private static readonly int[] Signals = [(int)PosixSignal.SIGTERM, (int)PosixSignal.SIGHUP, (int)PosixSignal.SIGQUIT, 10, 12]; // SIGUSR1, SIGUSR2
    private static readonly Dictionary<PosixSignal, int> Numbers = new()
    {
        [PosixSignal.SIGHUP] = 1, [PosixSignal.SIGQUIT] = 3, [PosixSignal.SIGTERM] = 15,
    };

    private readonly bool _keepsThisProcess;
    private readonly List<PosixSignalRegistration> _registrations = [];
    private volatile ChildProcess? _child;

    /// <summary>Begins to listen.</summary>
    /// <param name="keepsThisProcess">Whether a signal that was passed on no longer acts on this process, which waits for the program instead.</param>
    public SignalForwarding(bool keepsThisProcess)
    {
        _keepsThisProcess = keepsThisProcess;
        foreach (int signal in Signals)
        {
            _registrations.Add(PosixSignalRegistration.Create((PosixSignal)signal, OnSignal));
        }
    }

    /// <summary>Names the program to pass signals on to.</summary>
    /// <param name="process">The program.</param>
    public void Forward(CracStartedProcess process)
    {
        ArgumentNullException.ThrowIfNull(process);
        _child = process.Child;
    }

    /// <summary>Stops listening.</summary>
    public void Dispose() => _registrations.ForEach(static registration => registration.Dispose());

    private void OnSignal(PosixSignalContext context)
    {
        if (_child is not { HasExited: false } child)
        {
            return;
        }

        child.Signal(Numbers.TryGetValue(context.Signal, out int number) ? number : (int)context.Signal);
        context.Cancel = _keepsThisProcess;
    }
}
