using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Init;

/// <summary>
/// Processes of the namespace that were not started in it, and so have no parent there. A criu that dumps the tree is
/// one: by killing the root it would end the namespace, and itself with it, before it has finished.
/// </summary>
internal static class Visitors
{
    private const int LongestWait = 10_000;

    /// <summary>Waits until all of them have ended, but not for good: a shell that somebody entered with may stay for days.</summary>
    internal static void WaitUntilGone()
    {
        long end = Environment.TickCount64 + LongestWait;
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
            // proc(5): "1234 (name) S 1 …"; the name may have anything in it.
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
