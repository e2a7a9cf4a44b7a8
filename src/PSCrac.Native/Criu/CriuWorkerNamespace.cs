using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.PidNamespaces;

namespace PSCrac.Criu;

/// <summary>
/// Where a worker runs that is to run in another pid namespace than ours. libcriu names directories as descriptors of the
/// caller, which criu looks up in /proc by the caller's pid; from another pid namespace the caller has none. So such a
/// worker has them as descriptors of its own, and its configuration file names them: see <see cref="Configuration"/>.
/// </summary>
/// <param name="Namespace">The namespaces.</param>
/// <param name="Images">The images directory.</param>
internal sealed record CriuWorkerNamespace(PidNamespace Namespace, SafeFileHandle Images)
{
    private const int ConfigDescriptor = 4;
    private const int ImagesDescriptor = 5;
    private const int WorkDescriptor = 6;

    /// <summary>Lines for the configuration file of a worker in another namespace.</summary>
    internal static string Configuration { get; } =
        string.Create(null, $"images-dir /proc/self/fd/{ImagesDescriptor}\nwork-dir /proc/self/fd/{WorkDescriptor}\n");

    /// <summary>The configuration file as the worker sees it.</summary>
    internal static string ConfigPath { get; } = string.Create(null, $"/proc/self/fd/{ConfigDescriptor}");

    /// <summary>What the worker must find open. The handles are copies, to be disposed of.</summary>
    internal IEnumerable<(SafeFileHandle Source, int Target)> Descriptors(CriuWorkDirectory work)
    {
        yield return (LibC.Open(work.ConfigPath!, LibC.O_RDONLY, out _), ConfigDescriptor);
        yield return (LibC.Duplicate(Images, 0, out _), ImagesDescriptor);
        yield return (LibC.Duplicate(work.Handle, 0, out _), WorkDescriptor);
    }
}
