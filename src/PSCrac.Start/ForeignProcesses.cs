using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Start;

/// <summary>
/// Processes in the namespace that entered it from outside, and therefore have no parent in it. A criu that dumps the tree is
/// one: when it kills the root, the namespace would end, and criu with it, before it has finished.
/// </summary>
internal static class ForeignProcesses
{
    private const int MaximumWait = 10_000;

    /// <summary>Waits until all of them have ended, with a time limit: a shell of an administrator may run for days.</summary>
    internal static void WaitUntilEnded()
    {
        long end = Environment.TickCount64 + MaximumWait;
        foreach (string path in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(path.AsSpan(path.LastIndexOf('/') + 1), out int id) && id != 1 && ParentOf(path) == 0)
            {
                using SafeFileHandle process = LibC.OpenPidFd(id, out Errno errno);
                if (errno == Errno.None)
                {
                    LibC.WaitReadable(process, (int)Math.Max(0, end - Environment.TickCount64));
                }
            }
        }
    }

    private static int ParentOf(string path)
    {
        try
        {
            // proc(5): "1234 (name) S 1 …"; the name may contain any characters.
            string stat = File.ReadAllText(path + "/stat");
            int state = stat.LastIndexOf(')') + 2;
            ReadOnlySpan<char> rest = stat.AsSpan(state + 2);
            return int.Parse(rest[..rest.IndexOf(' ')], System.Globalization.CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return -1;
        }
    }
}
