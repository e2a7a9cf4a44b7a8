using System.Globalization;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>Attributes of a thread that criu does not keep, or only where it has the privilege. The usual values are null.</summary>
internal sealed record ThreadAttributes
{
    private const int MaskLength = 1024;
    private const int Init = 1;
    private const long UsualSlack = 50_000; // init_task in the kernel's init/init_task.c
    private const uint UsualFilter = 0x33; // MMF_DUMP_FILTER_DEFAULT in include/linux/mm_types.h

    internal string? CpuAffinity { get; init; }

    internal int? IoPriority { get; init; }

    internal int? Policy { get; init; }

    internal int? Priority { get; init; }

    internal int? Nice { get; init; }

    internal long? TimerSlack { get; init; }

    internal uint? CoredumpFilter { get; init; }

    internal int? OomScoreAdjustment { get; init; }

    /// <summary>Whether all values are the usual ones.</summary>
    internal bool AreUsual => this == s_usual;

    private static readonly ThreadAttributes s_usual = new();

    /// <summary>Reads a thread's attributes.</summary>
    /// <param name="thread">Its id here.</param>
    /// <param name="isMain">Whether it is its process's main thread, which stands for what the process has as a whole.</param>
    internal static ThreadAttributes Read(int thread, bool isMain)
    {
        bool isKnown = LibC.GetScheduler(thread, out int policy, out int priority) == 0;
        long slack = ReadNumber(thread, "timerslack_ns") ?? UsualSlack;
        long filter = isMain ? ReadNumber(thread, "coredump_filter", NumberStyles.HexNumber) ?? UsualFilter : UsualFilter;
        return new ThreadAttributes
        {
            CpuAffinity = ReadAffinity(thread) is { } own && own != ReadAffinity(Init) ? own : null,
            IoPriority = NullIf(LibC.GetIoPriority(thread), 0),
            Policy = isKnown ? NullIf(policy, LibC.SCHED_OTHER) : null,
            Priority = isKnown ? NullIf(priority, 0) : null,
            Nice = NullIf(LibC.GetNice(thread), 0),
            TimerSlack = slack == UsualSlack || policy is LibC.SCHED_FIFO or LibC.SCHED_RR ? null : slack,
            CoredumpFilter = filter == UsualFilter ? null : (uint)filter,
            OomScoreAdjustment = isMain ? NullIf((int)(ReadNumber(thread, "oom_score_adj") ?? 0), 0) : null,
        };
    }

    /// <summary>Gives a thread the attributes, where it does not have them.</summary>
    /// <param name="thread">Its id here.</param>
    /// <returns>What could not be set, with the reason.</returns>
    internal List<string> Apply(int thread)
    {
        var failed = new List<string>();
        ThreadAttributes present = Read(thread, isMain: CoredumpFilter is not null || OomScoreAdjustment is not null);
        Set(CpuAffinity, present.CpuAffinity, "CPU affinity", list => SetAffinity(thread, list));
        Set(IoPriority, present.IoPriority, "I/O priority", value => LibC.SetIoPriority(thread, value!.Value));
        if ((Policy, Priority) != (present.Policy, present.Priority))
        {
            Set((Policy, Priority), (present.Policy, present.Priority), "scheduling policy", each => LibC.SetScheduler(thread, each.Policy ?? 0, each.Priority ?? 0));
        }

        Set(Nice, present.Nice, "nice value", value => LibC.SetNice(thread, value!.Value));
        Set(TimerSlack, present.TimerSlack, "timer slack", value => Write(thread, "timerslack_ns", $"{value}"));
        Set(CoredumpFilter, present.CoredumpFilter, "coredump filter", value => Write(thread, "coredump_filter", $"0x{value:x}"));
        Set(OomScoreAdjustment, present.OomScoreAdjustment, "OOM score adjustment", value => Write(thread, "oom_score_adj", $"{value}"));
        return failed;

        void Set<T>(T wanted, T has, string what, Func<T, Errno> set)
        {
            if (wanted is not null && !EqualityComparer<T>.Default.Equals(wanted, has) && set(wanted) is var errno and not Errno.None and not Errno.ESRCH)
            {
                failed.Add($"{what} ({LibC.Message(errno)})");
            }
        }
    }

    private static int? NullIf(int value, int usual) => value == usual ? null : value;

    private static string? ReadAffinity(int thread)
    {
        Span<byte> mask = stackalloc byte[MaskLength];
        return LibC.GetAffinity(thread, mask) == 0 ? CpuList.Format(mask) : null;
    }

    private static Errno SetAffinity(int thread, string? list)
    {
        Span<byte> mask = stackalloc byte[MaskLength];
        return CpuList.TryParse(list!, mask) ? LibC.SetAffinity(thread, mask) : Errno.EINVAL;
    }

    private static long? ReadNumber(int thread, string file, NumberStyles style = NumberStyles.AllowLeadingSign)
    {
        try
        {
            return long.TryParse(File.ReadAllText($"/proc/{thread}/{file}").AsSpan().Trim(), style, CultureInfo.InvariantCulture, out long value) ? value : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static Errno Write(int thread, string file, string value)
    {
        try
        {
            File.WriteAllText($"/proc/{thread}/{file}", value);
            return Errno.None;
        }
        catch (UnauthorizedAccessException)
        {
            return Errno.EACCES;
        }
        catch (IOException e)
        {
            return (Errno)e.HResult;
        }
    }
}
