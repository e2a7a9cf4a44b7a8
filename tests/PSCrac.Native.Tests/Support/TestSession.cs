using System.Runtime.CompilerServices;

namespace PSCrac.Tests.Support;

/// <summary>What holds for all tests of a run: criu's logs, and the records of running processes, go to a folder that goes with the run.</summary>
internal static class TestSession
{
    private const string LogRootVariable = "PSCRAC_LOG_ROOT";
    private const string StateRootVariable = "PSCRAC_STATE_ROOT";

#pragma warning disable CA2255 // This assembly is a program: it is the test host, and the helper that tests start.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Begin()
    {
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable(LogRootVariable)))
        {
            return;
        }

        string logs = Directory.CreateTempSubdirectory("pscrac-logs-").FullName;
        Environment.SetEnvironmentVariable(LogRootVariable, logs);
        Environment.SetEnvironmentVariable(StateRootVariable, Path.Combine(logs, "state"));
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(logs, recursive: true);
    }
}
