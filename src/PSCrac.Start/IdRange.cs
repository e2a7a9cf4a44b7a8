using System.Globalization;
using PSCrac.Interop;

namespace PSCrac.Start;

/// <summary>Keeps the ids that the image needs free of this process's threads.</summary>
internal static unsafe class IdRange
{
    /// <summary>The highest id of this process's threads; lower ids may belong to its other threads.</summary>
    internal static int GetHighestThreadId()
    {
        int highest = 0;
        foreach (string path in Directory.EnumerateDirectories("/proc/self/task"))
        {
            highest = Math.Max(highest, int.Parse(path.AsSpan(path.LastIndexOf('/') + 1), CultureInfo.InvariantCulture));
        }

        return highest;
    }

    /// <summary>Executes this process's program again, with the same arguments, in the same process.</summary>
    /// <returns>The errno; returns only on failure.</returns>
    internal static Errno ExecuteAgain()
    {
        // Each argument ends with a null byte (proc(5)), as execv requires.
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
