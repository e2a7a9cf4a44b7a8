using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int RLIMIT_FSIZE = 1;
    internal const int RLIMIT_NOFILE = 7;

    [LibraryImport(Library, EntryPoint = "prlimit", SetLastError = true)]
    private static unsafe partial int prlimit(int pid, int resource, RLimit* newLimit, RLimit* oldLimit);

    /// <summary>Sets the soft limit of another process and keeps the hard limit (prlimit(2)).</summary>
    internal static unsafe Errno SetSoftLimit(int pid, int resource, ulong value)
    {
        RLimit limit;
        if (prlimit(pid, resource, null, &limit) != 0)
        {
            return LastError;
        }

        limit.Current = Math.Min(value, limit.Maximum);
        return Result(prlimit(pid, resource, &limit, null));
    }

    /// <summary>A soft limit of this process (prlimit(2)); all ones for none.</summary>
    internal static unsafe ulong GetSoftLimit(int resource)
    {
        RLimit limit = default;
        prlimit(0, resource, null, &limit);
        return limit.Current;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct RLimit
    {
        internal ulong Current;
        internal ulong Maximum;
    }
}
