namespace PSCrac.Init;

/// <summary>
/// Which signals the init passes on. Left out are those that cannot be caught, those by which the kernel tells a program
/// of its own faults, and the first real-time signals, which the C library and the .NET runtime use themselves.
/// </summary>
internal static class SignalsToPassOn
{
    private const int FirstRealTime = 35;
    private const int LastRealTime = 64;

    // signal(7): HUP INT QUIT USR1 USR2 ALRM TERM CONT TSTP WINCH.
    private static ReadOnlySpan<byte> Standard => [1, 2, 3, 10, 12, 14, 15, 18, 20, 28];

    /// <summary>The set as sigset_t has it in its first 64 bits: signal n is bit n - 1.</summary>
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
