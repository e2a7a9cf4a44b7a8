using System.Runtime.ExceptionServices;

namespace PSCrac.PidNamespaces;

/// <summary>
/// Runs an action on a thread of its own, which enters other namespaces and then ends. Namespaces belong to a thread, so the process
/// does not change its own. A thread whose children are in another pid namespace can start processes but no threads, and the
/// runtime may need a thread at any time, so the action must be short; the runtime retries failed thread starts.
/// </summary>
internal static class NamespaceThread
{
    private const int StackSize = 256 * 1024;

    /// <summary>Runs <paramref name="action"/> on a new thread; returns its result or rethrows its exception.</summary>
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
