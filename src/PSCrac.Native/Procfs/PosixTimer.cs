namespace PSCrac.Procfs;

/// <summary>A timer of timer_create(2): a block of lines in /proc/PID/timers (proc(5)).</summary>
/// <param name="Id">The timer's id in its process.</param>
/// <param name="ClockId">The clock id of clock_gettime(2).</param>
internal sealed record PosixTimer(int Id, int ClockId)
{
    /// <summary>Reads the timers of an opened process; null if it has ended, cannot be read, or the kernel does not provide the file.</summary>
    internal static List<PosixTimer>? TryRead(ProcessDirectory directory)
    {
        if (!directory.TryRead("timers", out ProcText text, expectedLength: 512))
        {
            return null;
        }

        using (text)
        {
            var timers = new List<PosixTimer>();
            int id = 0;
            var lines = new AsciiReader(text.Bytes);
            while (lines.TryReadField(out ReadOnlySpan<byte> key, out AsciiReader value))
            {
                if (key.SequenceEqual("ID"u8))
                {
                    id = value.ReadInt32();
                }
                else if (key.SequenceEqual("ClockID"u8))
                {
                    timers.Add(new PosixTimer(id, value.ReadInt32()));
                }
            }

            return timers;
        }
    }
}
