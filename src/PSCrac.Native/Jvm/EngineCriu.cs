using System.Text;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>
/// The criu that a JVM's engine starts for a checkpoint, found by its command line (<c>criu dump -t PID …</c>): it is neither
/// our child nor the JVM's, and its log may have any name (openjdk/crac: libcriuengine/criuengine.cpp).
/// </summary>
internal sealed class EngineCriu
{
    private readonly byte[][] _targets;
    private readonly string? _pidNamespace;

    private EngineCriu(JvmProcess jvm, string? pidNamespace)
    {
        _targets = [Encoding.ASCII.GetBytes($"\0-t\0{jvm.InnerProcessId}\0"), Encoding.ASCII.GetBytes($"\0--tree\0{jvm.InnerProcessId}\0")];
        _pidNamespace = pidNamespace;
    }

    /// <summary>Prepares the search, while the JVM still runs.</summary>
    internal static EngineCriu Of(JvmProcess jvm)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(jvm.ProcessId);
        return new EngineCriu(jvm, directory?.ReadLink("ns/pid"));
    }

    /// <summary>Whether it runs now. False also where proc hides it.</summary>
    internal bool IsRunning() => (ProcessDirectory.ReadProcessIds() ?? []).Exists(IsIt);

    private bool IsIt(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        if (directory is null || !directory.TryRead("cmdline", out ProcText text))
        {
            return false;
        }

        using (text)
        {
            ReadOnlySpan<byte> line = text.Bytes;
            if (line.IndexOf("\0dump\0"u8) < 0 || (line.IndexOf(_targets[0]) < 0 && line.IndexOf(_targets[1]) < 0))
            {
                return false;
            }
        }

        // Another container may have a JVM with the same pid.
        return _pidNamespace is null || directory.ReadLink("ns/pid") is not { } own || own == _pidNamespace;
    }
}
