using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.PidNamespaces;
using PSCrac.Procfs;

namespace PSCrac.Criu;

/// <summary>
/// The pid namespace of a worker that does not run in the caller's. libcriu passes directories as descriptors of the caller, which
/// criu opens through /proc by the caller's pid; in another pid namespace the caller has no pid. So such a worker inherits the
/// descriptors, and its configuration file names them: see <see cref="Configuration"/>.
/// </summary>
/// <param name="Namespace">The namespaces.</param>
/// <param name="Images">The images directory.</param>
/// <param name="Linked">The directory that symbolic links in the images directory lead to; null for none.</param>
internal sealed record CriuWorkerNamespace(PidNamespace Namespace, SafeFileHandle Images, SafeFileHandle? Linked = null)
{
    private const int ConfigDescriptor = 4;
    private const int ImagesDescriptor = 5;
    private const int WorkDescriptor = 6;
    private const int LinkedDescriptor = 7;

    /// <summary>Lines for the configuration file of a worker in another namespace.</summary>
    internal static string Configuration { get; } =
        string.Create(null, $"images-dir /proc/self/fd/{ImagesDescriptor}\nwork-dir /proc/self/fd/{WorkDescriptor}\n");

    /// <summary>The configuration file as the worker sees it.</summary>
    internal static string ConfigPath { get; } = string.Create(null, $"/proc/self/fd/{ConfigDescriptor}");

    /// <summary>The path of <see cref="Linked"/> in the worker's namespace.</summary>
    internal static string LinkedPath(CriuWorker worker) =>
        string.Create(null, $"/proc/{ProcessStatus.TryRead(worker.ProcessId)?.InnermostProcessId ?? worker.ProcessId}/fd/{LinkedDescriptor}");

    /// <summary>The descriptors that the worker inherits. The handles are copies that the caller disposes.</summary>
    internal IEnumerable<(SafeFileHandle Source, int Target)> Descriptors(CriuWorkDirectory work)
    {
        yield return (work.OpenConfiguration(), ConfigDescriptor);
        yield return (LibC.Duplicate(Images, 0, out _), ImagesDescriptor);
        yield return (LibC.Duplicate(work.Folder.Handle, 0, out _), WorkDescriptor);
        if (Linked is not null)
        {
            yield return (LibC.Duplicate(Linked, 0, out _), LinkedDescriptor);
        }
    }
}
