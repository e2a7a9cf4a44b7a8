using PSCrac.Images.Format;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Staging;

/// <summary>
/// System calls that the freeze of a tree interrupted. Where the kernel would need the thread's restart block to continue a call, criu
/// lets it fail with EINTR (get_task_regs in compel's infect.c), upon which some programs end. A call that only waits can be repeated:
/// in the image, the thread's registers are set to the state before the call, as the kernel does for a call that it restarts
/// (handle_signal in arch/x86/kernel/signal.c). The timeout then counts from the restore.
/// </summary>
internal static class InterruptedCalls
{
    private const ulong Interrupted = unchecked((ulong)-(int)Errno.EINTR);
    private const ulong SyscallLength = 2;
    private const ulong NanosleepCall = 35;
    private const ulong ClockNanosleepCall = 230;
    private const ulong FutexCall = 202;
    private const ulong RestartCall = 219;
    private const ulong AbsoluteTime = 1;
    private const ulong FutexCommand = 0x7f;

    // The numbers of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl). signal(7) lists the calls that a stop interrupts.
    private static readonly HashSet<ulong> s_waits =
    [
        7,    // poll
        23,   // select
        NanosleepCall,
        43,   // accept
        45,   // recvfrom
        47,   // recvmsg
        65,   // semop
        128,  // rt_sigtimedwait
        FutexCall,
        208,  // io_getevents
        220,  // semtimedop
        ClockNanosleepCall,
        232,  // epoll_wait
        270,  // pselect6
        271,  // ppoll
        281,  // epoll_pwait
        288,  // accept4
        441,  // epoll_pwait2
    ];

    /// <summary>Edits the threads of a staged image that were interrupted in a wait, so that they repeat the call.</summary>
    /// <returns>The ids in the image of threads whose call will fail with EINTR although no signal of the program interrupted it.</returns>
    /// <exception cref="CracException">A file could not be written (<see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>).</exception>
    internal static List<int> Restart(ImageStaging staging)
    {
        try
        {
            return Restart(staging.Folder, new DirectoryImageSource(staging.Folder));
        }
        catch (IOException e)
        {
            throw staging.SealFailed(e.Message, e);
        }
    }

    private static List<int> Restart(FolderHandle folder, DirectoryImageSource source)
    {
        var interrupted = new List<int>();
        foreach (ImageFileInfo file in source.Files)
        {
            if (ImageFileName.ParseNumber(file.Name, "core-") is { } thread)
            {
                using ImageEntryReader entries = source.OpenEntries(file.Name, ImageType.Core);
                entries.MoveToFirst();
                if (Restart(entries, out bool isInterrupted) is { } message)
                {
                    Write(folder, file.Name, entries, message);
                }
                else if (isInterrupted)
                {
                    interrupted.Add((int)thread);
                }
            }
        }

        return interrupted;
    }

    /// <summary>Edits one thread.</summary>
    /// <param name="entries">The core file, at its entry.</param>
    /// <param name="isInterrupted">Whether its call fails with EINTR and cannot be repeated.</param>
    /// <returns>The edited message; null where there is nothing to edit.</returns>
    internal static ProtobufWriter? Restart(ImageEntryReader entries, out bool isInterrupted)
    {
        isInterrupted = false;
        ProtobufReader core = entries.Reader;
        if (HasPendingSignal(Find(core, Wire.CoreEntry.Tc), Wire.TaskCoreEntry.SignalsS)
            || HasPendingSignal(Find(core, Wire.CoreEntry.ThreadCore), Wire.ThreadCoreEntry.SignalsP))
        {
            // The signal's handler will run, and the program may rely on the call failing with EINTR.
            return null;
        }

        ProtobufReader info = Find(core, Wire.CoreEntry.ThreadInfo);
        ProtobufReader registers = Find(info, Wire.ThreadInfoX86.Gpregs);
        var values = new Dictionary<int, ulong>();
        for (ProtobufReader each = registers; each.MoveNext();)
        {
            values[each.Field] = each.ReadUInt64();
        }

        if (values.Count == 0)
        {
            // The first register of an arm64 thread has lost the call's argument to its result.
            ProtobufReader arm = Find(Find(core, Wire.CoreEntry.TiAarch64), Wire.ThreadInfoAarch64.Gpregs);
            isInterrupted = arm.MoveTo(Wire.UserAarch64RegsEntry.Regs) && arm.ReadUInt64() == Interrupted;
            return null;
        }

        bool is32Bit = values.GetValueOrDefault(Wire.UserX86RegsEntry.Mode, 1uL) != 1;
        if (is32Bit || values.GetValueOrDefault(Wire.UserX86RegsEntry.Ax) != Interrupted)
        {
            isInterrupted = is32Bit && (int)values.GetValueOrDefault(Wire.UserX86RegsEntry.Ax) == -(int)Errno.EINTR;
            return null;
        }

        ulong call = values.GetValueOrDefault(Wire.UserX86RegsEntry.OrigAx);
        isInterrupted = call == RestartCall;
        return s_waits.Contains(call) && (call != FutexCall || (values[Wire.UserX86RegsEntry.Si] & FutexCommand) is 0 or 9)
            ? Repeat(entries.Reader, info, registers, call, values)
            : null;
    }

    private static ProtobufWriter Repeat(ProtobufReader core, ProtobufReader info, ProtobufReader registers, ulong call, Dictionary<int, ulong> values)
    {
        Dictionary<int, ulong> changed = new() { [Wire.UserX86RegsEntry.Ax] = call, [Wire.UserX86RegsEntry.Ip] = values[Wire.UserX86RegsEntry.Ip] - SyscallLength };
        ShortenSleep(call, values, changed);
        ProtobufWriter edited = new ProtobufWriter().CopyExcept(registers, [.. changed.Keys]);
        foreach ((int field, ulong value) in changed)
        {
            edited.WriteVarint(field, value);
        }

        ProtobufWriter editedInfo = new ProtobufWriter().CopyExcept(info, Wire.ThreadInfoX86.Gpregs).WriteBytes(Wire.ThreadInfoX86.Gpregs, edited.Message);
        return new ProtobufWriter().CopyExcept(core, Wire.CoreEntry.ThreadInfo).WriteBytes(Wire.CoreEntry.ThreadInfo, editedInfo.Message);
    }

    // The kernel has stored the remaining time of the sleep where the caller asked for it; the repeated call sleeps for that time.
    private static void ShortenSleep(ulong call, Dictionary<int, ulong> values, Dictionary<int, ulong> changed)
    {
        if (call == NanosleepCall && values[Wire.UserX86RegsEntry.Si] is not 0 and var left)
        {
            changed[Wire.UserX86RegsEntry.Di] = left;
        }
        else if (call == ClockNanosleepCall && (values[Wire.UserX86RegsEntry.Si] & AbsoluteTime) == 0 && values[Wire.UserX86RegsEntry.R10] is not 0 and var remaining)
        {
            changed[Wire.UserX86RegsEntry.Dx] = remaining;
        }
    }

    private static bool HasPendingSignal(ProtobufReader message, int field) => message.MoveTo(field) && message.ReadMessage().MoveNext();

    private static ProtobufReader Find(ProtobufReader message, int field) => message.MoveTo(field) ? message.ReadMessage() : default;

    private static void Write(FolderHandle folder, string name, ImageEntryReader like, ProtobufWriter message)
    {
        using var content = new MemoryStream();
        ProtobufWriter.WriteMagic(content, like);
        message.WriteEntry(content);
        StagedTable.Replace(folder, name, content);
    }
}
