using System.Runtime.ExceptionServices;

namespace PSCrac.PidNamespaces;

/// <summary>
/// A thread that enters other namespaces, does one thing and ends. Namespaces belong to a thread, so the process itself
/// stays where it is. A thread whose children go to another pid namespace can start processes but no threads, and the
/// runtime may want a thread at any time; so what is done here is short, and the runtime's own retries cover the rest.
/// </summary>
internal static class NamespaceThread
{
    private const int StackSize = 256 * 1024;

    /// <summary>Runs <paramref name="action"/> on a thread of its own and gives its result, or throws what it threw.</summary>
    internal static T Run<T>(Func<T> action)
    {
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(
            () =>
            {
                try
                {
                    result = action();
                }
                catch (Exception e)
                {
                    failure = ExceptionDispatchInfo.Capture(e);
                }
            },
            StackSize)
        { IsBackground = true, Name = "namespace" };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }
}
