namespace PSCrac.Init;

/// <summary>Keeping this process's own threads, and what criu starts, off the ids that the image needs.</summary>
internal static unsafe class IdRange
{
    /// <summary>Lets the namespace's next ids follow this one. Where it cannot, criu says which id it missed.</summary>
    internal static void Skip(int last)
    {
        int descriptor;
        fixed (byte* path = "/proc/sys/kernel/ns_last_pid\0"u8)
        {
            descriptor = LibC.Open(path, LibC.O_WRONLY | LibC.O_CLOEXEC);
        }

        if (descriptor < 0)
        {
            return;
        }

        byte* digits = stackalloc byte[12];
        int start = 12;
        do
        {
            digits[--start] = (byte)('0' + last % 10);
            last /= 10;
        }
        while (last > 0);
        LibC.Write(descriptor, digits + start, (nuint)(12 - start));
        LibC.Close(descriptor);
    }

    /// <summary>The highest id among this process's threads; ids below it have been given to others of them.</summary>
    internal static int HighestOwn()
    {
        int highest = 0;
        foreach (string path in Directory.EnumerateDirectories("/proc/self/task"))
        {
            highest = Math.Max(highest, int.Parse(path.AsSpan(path.LastIndexOf('/') + 1), System.Globalization.CultureInfo.InvariantCulture));
        }

        return highest;
    }

    /// <summary>Starts this process's program again with the same arguments, in the same process.</summary>
    /// <returns>errno; only when that failed.</returns>
    internal static int StartAgain()
    {
        const int Most = 64 * 1024;
        const int MostArguments = 64;
        byte[] line = new byte[Most];
        byte** arguments = stackalloc byte*[MostArguments];
        fixed (byte* text = line, lineFile = "/proc/self/cmdline\0"u8, self = "/proc/self/exe\0"u8)
        {
            int descriptor = LibC.Open(lineFile, LibC.O_RDONLY | LibC.O_CLOEXEC);
            nint length = LibC.Read(descriptor, text, Most - 1);
            LibC.Close(descriptor);
            int count = 0;
            for (nint at = 0; at < length && count < MostArguments - 1; at++)
            {
                if (at == 0 || text[at - 1] == 0)
                {
                    arguments[count++] = text + at;
                }
            }

            arguments[count] = null;
            LibC.Exec(self, arguments);
            return LibC.Errno;
        }
    }
}
