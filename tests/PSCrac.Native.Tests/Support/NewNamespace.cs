using PSCrac.Options;
using PSCrac.Restoring;

namespace PSCrac.Tests.Support;

/// <summary>A tree restored into a new pid namespace. Disposing ends the namespace, and waits until it has ended.</summary>
internal sealed class NewNamespace : IDisposable
{
    private readonly CracRestoredProcess _process;

    private NewNamespace(CracRestoredProcess process) => _process = process;

    internal CracRestoredProcess Process => _process;

    internal int InitId => _process.NamespaceInitId!.Value;

    internal static NewNamespace Restore(string image, RestoreFiles? files = null, CracPidNamespace kind = CracPidNamespace.New) =>
        new(PSCrac.Restoring.Restore.Run(new RestoreRequest { Image = CracImage.Open(image), PidNamespace = kind, Files = files ?? new() }));

    internal static NewNamespace Of(CracRestoredProcess process) => new(process);

    /// <summary>Sends a signal to a process by the signal's short name.</summary>
    internal static void Signal(int processId, string name) => CriuProgram.Kill("-" + name, $"{processId}");

    /// <summary>Whether all of it ended in time.</summary>
    internal bool WaitForExit() => _process.WaitForExit(Wait.Limit);

    public void Dispose()
    {
        if (_process.ExitCode is null)
        {
            Signal(InitId, "KILL");
            WaitForExit();
        }

        _process.Dispose();
    }
}
