using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    [LibraryImport(Library, EntryPoint = "poll", SetLastError = true)]
    private static unsafe partial int poll(PollDescriptor* descriptors, nuint count, int timeout);

    /// <summary>Waits until a descriptor is readable (poll(2)). A pidfd is readable when the process has ended.</summary>
    /// <returns>Whether the descriptor became readable within <paramref name="milliseconds"/>.</returns>
    internal static bool WaitReadable(SafeHandle descriptor, int milliseconds)
    {
        long end = Environment.TickCount64 + milliseconds;
        while (true)
        {
            Errno errno = Poll(descriptor, null, (int)Math.Max(0, end - Environment.TickCount64), out bool readable, out _);
            if (errno != Errno.EINTR)
            {
                return readable;
            }
        }
    }

    /// <summary>Waits until one of two descriptors is readable or closed (poll(2)). A signal ends the wait.</summary>
    /// <param name="first">The first descriptor.</param>
    /// <param name="second">The second descriptor; null for none.</param>
    /// <param name="milliseconds">The timeout; -1 for none.</param>
    /// <param name="firstReadable">Whether <paramref name="first"/> is readable.</param>
    /// <param name="secondReadable">Whether <paramref name="second"/> is readable.</param>
    internal static unsafe Errno Poll(SafeHandle first, SafeHandle? second, int milliseconds, out bool firstReadable, out bool secondReadable)
    {
        const short POLLIN = 1;
        bool firstAdded = false;
        bool secondAdded = false;
        try
        {
            // poll takes descriptor numbers in memory, so the marshaller cannot protect the handles.
            PollDescriptor* wanted = stackalloc PollDescriptor[2];
            first.DangerousAddRef(ref firstAdded);
            wanted[0] = new PollDescriptor { Descriptor = (int)first.DangerousGetHandle(), Events = POLLIN };
            if (second is not null)
            {
                second.DangerousAddRef(ref secondAdded);
                wanted[1] = new PollDescriptor { Descriptor = (int)second.DangerousGetHandle(), Events = POLLIN };
            }

            int result = poll(wanted, second is null ? 1u : 2u, milliseconds);
            firstReadable = result > 0 && wanted[0].Returned != 0;
            secondReadable = result > 0 && second is not null && wanted[1].Returned != 0;
            return result < 0 ? LastError : Errno.None;
        }
        finally
        {
            if (firstAdded)
            {
                first.DangerousRelease();
            }

            if (secondAdded)
            {
                second!.DangerousRelease();
            }
        }
    }

    /// <summary>Waits until one of several descriptors is ready or closed (poll(2)). A signal ends the wait.</summary>
    /// <param name="descriptors">The descriptors, which must stay open meanwhile; what they are ready for is filled in.</param>
    /// <param name="milliseconds">The timeout; -1 for none.</param>
    internal static unsafe Errno Poll(Span<PollDescriptor> descriptors, int milliseconds)
    {
        fixed (PollDescriptor* first = descriptors)
        {
            return poll(first, (nuint)descriptors.Length, milliseconds) < 0 ? LastError : Errno.None;
        }
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollDescriptor
    {
        internal const short Readable = 1;
        internal const short Writable = 4;


        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }
}
