using System.Management.Automation;
using System.Management.Automation.Host;
using PSCrac.Procfs;
using PSCrac.Starting;

namespace PSCrac.Commands.Common;

/// <summary>A program that a session stands in front of: signals to the session reach it, and the session waits for its end.</summary>
internal sealed class ForegroundProgram : IDisposable
{
    private static readonly TimeSpan InterruptGrace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SignalLatency = TimeSpan.FromMilliseconds(200);
    private readonly PSHost _host;
    private readonly SignalForwarding _signals;

    /// <summary>Begins to listen for signals.</summary>
    /// <param name="host">The session's host, whose exit code becomes the program's.</param>
    /// <param name="isWaitedFor">Whether the session waits for the program, so that a signal is the program's alone.</param>
    internal ForegroundProgram(PSHost host, bool isWaitedFor)
    {
        _host = host;
        Debugger? debugger = isWaitedFor ? FindDebugger(host) : null;
        _signals = new SignalForwarding(keepsThisProcess: isWaitedFor) { Quitting = () => debugger?.SetDebuggerStepMode(false) };
    }

    /// <summary>Passes on to the program what the session was sent, from now on.</summary>
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

    // On SIGQUIT PowerShell's console has the script break into the debugger at its next statement (BreakIntoDebugger in its
    // ConsoleHost.cs), where a service would wait for commands.
    private static Debugger? FindDebugger(PSHost host)
    {
        try
        {
            return (host as IHostSupportsInteractiveSession)?.Runspace?.Debugger;
        }
        catch (NotImplementedException)
        {
            // A host that is no console.
            return null;
        }
    }

    private void EndInterrupted(CracStartedProcess process)
    {
        // PowerShell and we hear of a SIGINT in no order that is sure: it may have stopped the pipeline already.
        bool isSignalled = SpinWait.SpinUntil(() => _signals.WasInterrupted, SignalLatency);

        // It has reached the program, and may mean something milder to it than being ended does.
        if (!isSignalled || !process.WaitForExit(InterruptGrace))
        {
            process.End();
        }

        // Nobody works on at a session without a terminal: this was how a service is ended, and its exit code is the session's.
        if (isSignalled && process.ExitCode is { } code && ProcessStatus.TryRead(Environment.ProcessId) is { TerminalDevice: 0 })
        {
            _host.SetShouldExit(code);
        }
    }
}
