using System.Globalization;
using PSCrac.Images.Manifest;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>Reads and sets the attributes of a thread that criu does not keep, or only where it has the privilege.</summary>
internal static class ThreadAttributes
{
    private const int MaskLength = 1024;
    private const int Init = 1;
    private const long UsualSlack = 50_000; // init_task in the kernel's init/init_task.c
    private const uint UsualFilter = 0x33; // MMF_DUMP_FILTER_DEFAULT in include/linux/mm_types.h

    /// <summary>Reads a thread's attributes, for a manifest.</summary>
    /// <param name="thread">Its id here.</param>
    /// <param name="id">Its id in the image.</param>
    /// <param name="isMain">Whether it is its process's main thread, which stands for what the process has as a whole.</param>
    internal static ImageManifestThread Read(int thread, int id, bool isMain)
    {
        bool isKnown = LibC.GetScheduler(thread, out int policy, out int priority) == 0;
        long slack = ReadNumber(thread, "timerslack_ns") ?? UsualSlack;
        long filter = isMain ? ReadNumber(thread, "coredump_filter", NumberStyles.HexNumber) ?? UsualFilter : UsualFilter;
        return new ImageManifestThread
        {
            Id = id,
            CpuAffinity = ReadAffinity(thread),
            IoPriority = NullIf(LibC.GetIoPriority(thread), 0),
            SchedulingPolicy = isKnown ? NullIf(policy, LibC.SCHED_OTHER) : null,
            SchedulingPriority = isKnown ? NullIf(priority, 0) : null,
            Nice = NullIf(LibC.GetNice(thread), 0),
            TimerSlack = slack == UsualSlack || policy is LibC.SCHED_FIFO or LibC.SCHED_RR ? null : slack,
            CoredumpFilter = filter == UsualFilter ? null : (uint)filter,
            OomScoreAdjustment = isMain ? NullIf((int)(ReadNumber(thread, "oom_score_adj") ?? 0), 0) : null,
        };
    }

    /// <summary>Whether a thread has no attributes of its own.</summary>
    internal static bool AreUsual(ImageManifestThread attributes) => attributes == new ImageManifestThread { Id = attributes.Id };

    /// <summary>Gives a thread the attributes of a manifest, where it does not have them.</summary>
    /// <param name="wanted">The attributes; the usual ones are not set.</param>
    /// <param name="thread">The thread's id here.</param>
    /// <returns>What could not be set, with the reason.</returns>
    internal static List<string> Apply(ImageManifestThread wanted, int thread)
    {
        var failed = new List<string>();
        ImageManifestThread present = Read(thread, wanted.Id, isMain: true);
        Set(wanted.CpuAffinity, present.CpuAffinity, "CPU affinity", list => SetAffinity(thread, list));
        Set(wanted.IoPriority, present.IoPriority, "I/O priority", value => LibC.SetIoPriority(thread, value!.Value));
        Set(PolicyOf(wanted), PolicyOf(present), "scheduling policy", each => LibC.SetScheduler(thread, each!.Value.Policy, each.Value.Priority));
        Set(wanted.Nice, present.Nice, "nice value", value => LibC.SetNice(thread, value!.Value));
        Set(wanted.TimerSlack, present.TimerSlack, "timer slack", value => Write(thread, "timerslack_ns", $"{value}"));
        Set(wanted.CoredumpFilter, present.CoredumpFilter, "coredump filter", value => Write(thread, "coredump_filter", $"0x{value:x}"));
        Set(wanted.OomScoreAdjustment, present.OomScoreAdjustment, "OOM score adjustment", value => Write(thread, "oom_score_adj", $"{value}"));
        return failed;

        void Set<T>(T wanted, T has, string what, Func<T, Errno> set)
        {
            if (wanted is not null && !EqualityComparer<T>.Default.Equals(wanted, has) && set(wanted) is var errno and not Errno.None and not Errno.ESRCH)
            {
                failed.Add($"{what} ({LibC.Message(errno)})");
            }
        }
    }

    private static (int Policy, int Priority)? PolicyOf(ImageManifestThread thread) =>
        thread.SchedulingPolicy is { } policy ? (policy, thread.SchedulingPriority ?? 0) : null;

    private static int? NullIf(int value, int usual) => value == usual ? null : value;

    // Null for the CPUs that init may use: those of the machine, or of the container.
    private static string? ReadAffinity(int thread)
    {
        Span<byte> mask = stackalloc byte[MaskLength], usual = stackalloc byte[MaskLength];
        return LibC.GetAffinity(thread, mask) == 0 && (LibC.GetAffinity(Init, usual) != 0 || !mask.SequenceEqual(usual)) ? CpuList.Format(mask) : null;
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
