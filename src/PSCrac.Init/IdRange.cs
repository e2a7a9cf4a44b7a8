using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Init;

/// <summary>Keeping this process's own threads, and what criu starts, off the ids that the image needs.</summary>
internal static unsafe class IdRange
{
    /// <summary>Lets the namespace's next ids follow this one. Where it cannot, criu says which id it missed.</summary>
    internal static void Skip(int last)
    {
        using SafeFileHandle file = LibC.Open("/proc/sys/kernel/ns_last_pid", LibC.O_WRONLY, out Errno errno);
        if (errno == Errno.None)
        {
            LibC.TryWrite(file, Encoding.ASCII.GetBytes(last.ToString(CultureInfo.InvariantCulture)));
        }
    }

    /// <summary>The highest id among this process's threads; ids below it have been given to others of them.</summary>
    internal static int HighestOwn()
    {
        int highest = 0;
        foreach (string path in Directory.EnumerateDirectories("/proc/self/task"))
        {
            highest = Math.Max(highest, int.Parse(path.AsSpan(path.LastIndexOf('/') + 1), CultureInfo.InvariantCulture));
        }

        return highest;
    }

    /// <summary>Starts this process's program again with the same arguments, in the same process.</summary>
    /// <returns>Why that failed; it returns only then.</returns>
    internal static Errno StartAgain()
    {
        // Each argument ends with a null there (proc(5)), as execv wants it.
        byte[] line = File.ReadAllBytes("/proc/self/cmdline");
        byte** arguments = stackalloc byte*[line.AsSpan().Count((byte)0) + 1];
        fixed (byte* text = line)
        {
            int count = 0;
            for (int at = 0; at < line.Length; at++)
            {
                if (at == 0 || text[at - 1] == 0)
                {
                    arguments[count++] = text + at;
                }
            }

            arguments[count] = null;
            return LibC.Execute("/proc/self/exe", arguments);
        }
    }
}
