namespace PSCrac;

/// <summary>How a program was brought up.</summary>
public enum CracStartKind
{
    /// <summary>It was started.</summary>
    Cold,

    /// <summary>It was restored from an image.</summary>
    Restored,
}

/// <summary>One measured start or restore.</summary>
/// <param name="Round">The number of its round, from 1.</param>
/// <param name="Kind">Whether it is a start or a restore.</param>
/// <param name="ReadyTime">The time from just before the program, or criu, was started until the program was ready.</param>
/// <param name="Memory">The tree's resident memory at that moment, bytes, including pages of files; shared pages count in each process.</param>
public sealed record CracStartupSample(int Round, CracStartKind Kind, TimeSpan ReadyTime, long Memory);

/// <summary>A summary of the samples of one kind.</summary>
/// <param name="Kind">Whether it is a start or a restore.</param>
/// <param name="Count">How many samples.</param>
/// <param name="Minimum">The shortest time until ready.</param>
/// <param name="Median">The median of the times until ready.</param>
/// <param name="Percentile95">The 95th percentile of the times until ready; with few samples, the longest.</param>
/// <param name="Memory">The median of the memory, bytes.</param>
public sealed record CracStartupSummary(
    CracStartKind Kind, int Count, TimeSpan Minimum, TimeSpan Median, TimeSpan Percentile95, long Memory);

/// <summary>Measurements of starts and restores of one program, in turn.</summary>
public sealed class CracStartupMeasurement
{
    internal CracStartupMeasurement(string command, IReadOnlyList<CracStartupSample> samples, long imageSize)
    {
        Command = command;
        Samples = samples;
        ImageSize = imageSize;
        Cold = Summarize(CracStartKind.Cold, samples);
        Restored = Summarize(CracStartKind.Restored, samples);
    }

    /// <summary>The command line, arguments separated by spaces.</summary>
    public string Command { get; }

    /// <summary>The number of measured starts, which is also that of the restores.</summary>
    public int Count => Cold.Count;

    /// <summary>The median time of a start until ready, milliseconds.</summary>
    public double ColdMilliseconds => Cold.Median.TotalMilliseconds;

    /// <summary>The median time of a restore until ready, milliseconds.</summary>
    public double RestoredMilliseconds => Restored.Median.TotalMilliseconds;

    /// <summary>The median of the memory of the started program, bytes.</summary>
    public long ColdMemory => Cold.Memory;

    /// <summary>The median of the memory of the restored program, bytes.</summary>
    public long RestoredMemory => Restored.Memory;

    /// <summary>Summary of the starts.</summary>
    internal CracStartupSummary Cold { get; }

    /// <summary>Summary of the restores.</summary>
    internal CracStartupSummary Restored { get; }

    /// <summary>The median time of a start divided by that of a restore.</summary>
    public double Ratio => Cold.Median / Restored.Median;

    /// <summary>The size of the image, bytes.</summary>
    public long ImageSize { get; }

    /// <summary>All samples, in the order of measurement.</summary>
    internal IReadOnlyList<CracStartupSample> Samples { get; }

    private static CracStartupSummary Summarize(CracStartKind kind, IReadOnlyList<CracStartupSample> samples)
    {
        CracStartupSample[] own = [.. samples.Where(sample => sample.Kind == kind)];
        TimeSpan[] times = [.. own.Select(static sample => sample.ReadyTime).Order()];
        long[] memory = [.. own.Select(static sample => sample.Memory).Order()];
        int upper = times.Length / 2;
        int lower = (times.Length - 1) / 2;

        // The nearest rank: of n sorted samples the one at ceil(0.95 n).
        int rank = (int)Math.Ceiling(0.95 * times.Length) - 1;
        return new CracStartupSummary(
            kind, own.Length, times[0], (times[lower] + times[upper]) / 2, times[rank], (memory[lower] + memory[upper]) / 2);
    }
}
