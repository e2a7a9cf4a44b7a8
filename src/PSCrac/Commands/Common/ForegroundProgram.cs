using System.Management.Automation;
using System.Management.Automation.Host;
using PSCrac.Procfs;
using PSCrac.Starting;

namespace PSCrac.Commands.Common;

/// <summary>A program that a session runs in its foreground: signals to the session are passed on to it, and the session waits for it to end.</summary>
internal sealed class ForegroundProgram : IDisposable
{
    private static readonly TimeSpan InterruptGrace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SignalLatency = TimeSpan.FromMilliseconds(200);
    private readonly PSHost _host;
    private readonly SignalForwarding _signals;

    /// <summary>Starts to listen for signals.</summary>
    /// <param name="host">The session's host, whose exit code becomes the program's.</param>
    /// <param name="isWaitedFor">Whether the session waits for the program, so that a signal is the program's alone.</param>
    internal ForegroundProgram(PSHost host, bool isWaitedFor)
    {
        _host = host;
        Debugger? debugger = isWaitedFor ? FindDebugger(host) : null;
        _signals = new SignalForwarding(keepsThisProcess: isWaitedFor) { Quitting = () => debugger?.SetDebuggerStepMode(false) };
    }

    /// <summary>Passes signals to the session on to the program from now on.</summary>
    internal void ForwardSignals(CracStartedProcess process) => _signals.Forward(process);

    /// <summary>Waits until the program has ended. Stopped by Ctrl+C, it ends the program.</summary>
    /// <exception cref="PipelineStoppedException">The pipeline was stopped.</exception>
    internal void WaitForExit(CracStartedProcess process, CancellationToken stopping)
    {
        try
        {
            process.WaitForExit(Timeout.InfiniteTimeSpan, stopping);
        }
        catch (OperationCanceledException)
        {
            EndInterrupted(process);
            throw new PipelineStoppedException();
        }

        if (_signals.WasInterrupted)
        {
            // The program ended by the signal before PowerShell stopped the pipeline for it, which it does in any case.
            EndInterrupted(process);
            throw new PipelineStoppedException();
        }
    }

    public void Dispose() => _signals.Dispose();

    // On SIGQUIT PowerShell's console breaks into the debugger at the script's next statement (BreakIntoDebugger in its
    // ConsoleHost.cs), and a service would wait there for commands.
    private static Debugger? FindDebugger(PSHost host)
    {
        try
        {
            return (host as IHostSupportsInteractiveSession)?.Runspace?.Debugger;
        }
        catch (NotImplementedException)
        {
            // The host is not a console.
            return null;
        }
    }

    private void EndInterrupted(CracStartedProcess process)
    {
        // The order in which PowerShell and this handler are told of a SIGINT is not defined: the pipeline may be stopped already.
        bool isSignalled = SpinWait.SpinUntil(() => _signals.WasInterrupted, SignalLatency);

        // The signal has reached the program, which may handle it and take time to end.
        if (!isSignalled || !process.WaitForExit(InterruptGrace))
        {
            process.End();
        }

        // Without a terminal the session is not interactive: the signal was to end the service, and the session ends with its exit code.
        if (isSignalled && process.ExitCode is { } code && ProcessStatus.TryRead(Environment.ProcessId) is { TerminalDevice: 0 })
        {
            _host.SetShouldExit(code);
        }
    }
}
