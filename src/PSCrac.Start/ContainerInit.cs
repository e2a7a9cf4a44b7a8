using System.Collections;
using System.Runtime.InteropServices;
using System.Text;
using PSCrac.Interop;
using PSCrac.Starting;
using PSCrac.Starting.Services;

namespace PSCrac.Start;

/// <summary>
/// crac-start as the first process of a container. The kernel gives it all orphans, and no signal without a handler. So it starts
/// itself once more, as a process like any other, passes signals on to that, reaps all that end, and ends as that does.
/// </summary>
internal static class ContainerInit
{
    // PosixSignal has no names for SIGUSR1 and SIGUSR2.
    private static readonly PosixSignal[] s_forwarded =
        [PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP, PosixSignal.SIGQUIT, (PosixSignal)10, (PosixSignal)12];

    /// <summary>Runs as the first process.</summary>
    /// <returns>The exit code of the other crac-start.</returns>
    internal static int Run()
    {
        List<string> environment = [];
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            environment.Add($"{variable.Key}={variable.Value}");
        }

        // The same arguments, which include the assembly where dotnet runs it.
        string[] arguments = Encoding.UTF8.GetString(File.ReadAllBytes("/proc/self/cmdline")).Split('\0')[..^1];
        Errno errno = LibC.Spawn(
            "/proc/self/exe", arguments, environment, descriptors: [], blockedSignals: [], defaultSignals: LibC.StandardSignals, out int child);
        if (errno != 0)
        {
            Console.Error.WriteLine($"crac-start: {Environment.ProcessPath} could not be started again: {LibC.Message(errno)}.");
            return ServiceRun.Failed;
        }

        using var forwarding = new Registrations(child);
        IdleMemory.GiveBack();
        while (LibC.ReapAny(out int pid, out int code, out bool exited) == 0)
        {
            if (pid == child)
            {
                return exited ? code : 128 + code;
            }
        }

        return ServiceRun.Failed;
    }

    private sealed class Registrations : IDisposable
    {
        private readonly PosixSignalRegistration[] _registrations;

        internal Registrations(int child) => _registrations = Array.ConvertAll(s_forwarded, signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            LibC.Kill(child, SignalForwarding.NumberOf(context.Signal));
        }));

        public void Dispose() => Array.ForEach(_registrations, static registration => registration.Dispose());
    }
}
