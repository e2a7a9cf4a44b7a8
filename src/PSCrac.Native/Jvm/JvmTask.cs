using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>What must be known of a process before SIGQUIT is sent to it: its user, and whether the signal would end it.</summary>
internal readonly record struct JvmTask
{
    /// <summary>The effective user id.</summary>
    internal required uint User { get; init; }

    /// <summary>The effective group id.</summary>
    internal required uint Group { get; init; }

    /// <summary>The signals that it handles itself, one bit each, signal 1 the lowest (SigCgt of /proc/PID/status, proc(5)).</summary>
    internal required ulong Caught { get; init; }

    /// <summary>Whether it is stopped, by a signal or by a tracer.</summary>
    internal required bool IsStopped { get; init; }

    /// <summary>Whether it has a handler for SIGQUIT, as a JVM has. Without one the signal would end it.</summary>
    internal bool CatchesQuit => (Caught & (1UL << (LibC.SIGQUIT - 1))) != 0;

    /// <summary>Reads the process; null if it has ended, or its pid belongs to another process.</summary>
    internal static JvmTask? TryRead(ProcessIdentity process)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(process.ProcessId);
        if (directory is null
            || ProcessStatus.TryReadStat(directory) is not { HasEnded: false } stat || stat.Identity != process
            || !directory.TryRead("status", out ProcText text))
        {
            return null;
        }

        uint user = 0, group = 0;
        ulong caught = 0;
        using (text)
        {
            var lines = new AsciiReader(text.Bytes);
            while (lines.TryReadField(out ReadOnlySpan<byte> key, out AsciiReader words))
            {
                if (key.SequenceEqual("Uid"u8))
                {
                    words.Skip(1);
                    user = (uint)words.ReadUInt64();
                }
                else if (key.SequenceEqual("Gid"u8))
                {
                    words.Skip(1);
                    group = (uint)words.ReadUInt64();
                }
                else if (key.SequenceEqual("SigCgt"u8))
                {
                    caught = words.ReadHex();
                }
            }
        }

        return new JvmTask { User = user, Group = group, Caught = caught, IsStopped = stat.State is ProcessState.Stopped or ProcessState.TracingStop };
    }
}
