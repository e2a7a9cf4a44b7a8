namespace PSCrac.Start;

/// <summary>
/// The signals that the init forwards. Left out are signals that cannot be caught, signals that report a fault of the
/// program, and the first real-time signals, which the C library and the .NET runtime use.
/// </summary>
internal static class ForwardedSignals
{
    private const int FirstRealTime = 35;
    private const int LastRealTime = 64;

    // signal(7): HUP INT QUIT USR1 USR2 ALRM TERM CONT TSTP WINCH.
    private static ReadOnlySpan<byte> Standard => [1, 2, 3, 10, 12, 14, 15, 18, 20, 28];

    /// <summary>The set in the format of the first 64 bits of sigset_t: signal n is bit n - 1.</summary>
    internal static ulong Mask
    {
        get
        {
            ulong mask = 0;
            foreach (byte signal in Standard)
            {
                mask |= 1UL << signal - 1;
            }

            for (int signal = FirstRealTime; signal <= LastRealTime; signal++)
            {
                mask |= 1UL << signal - 1;
            }

            return mask;
        }
    }
}
