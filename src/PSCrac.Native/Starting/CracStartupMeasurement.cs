namespace PSCrac;

/// <summary>How a program came to be ready.</summary>
public enum CracStartKind
{
    /// <summary>It was started.</summary>
    Cold,

    /// <summary>It was restored from an image.</summary>
    Restored,
}

/// <summary>One start, or one restore, that was measured.</summary>
/// <param name="Round">The round it belongs to, from 1 on.</param>
/// <param name="Kind">Which of the two.</param>
/// <param name="ReadyTime">From before the program, or criu, was started until the program was ready.</param>
/// <param name="Memory">The tree's memory in RAM at that moment, bytes, files' pages included; of what is shared, each process's own count.</param>
public sealed record CracStartupSample(int Round, CracStartKind Kind, TimeSpan ReadyTime, long Memory);

/// <summary>The samples of one kind, taken together.</summary>
/// <param name="Kind">Which of the two.</param>
/// <param name="Count">How many samples.</param>
/// <param name="Minimum">The shortest time until ready.</param>
/// <param name="Median">The time that half of the samples took no longer than.</param>
/// <param name="Percentile95">The time that 95 of 100 took no longer than; of few samples, the longest.</param>
/// <param name="Memory">The median of the memory, bytes.</param>
public sealed record CracStartupSummary(
    CracStartKind Kind, int Count, TimeSpan Minimum, TimeSpan Median, TimeSpan Percentile95, long Memory);

/// <summary>Starts and restores of one program, measured in turn.</summary>
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

    /// <summary>The command line, arguments parted by blanks.</summary>
    public string Command { get; }

    /// <summary>How many starts were measured, and how many restores.</summary>
    public int Count => Cold.Count;

    /// <summary>The median of the starts' times until ready, milliseconds.</summary>
    public double ColdMilliseconds => Cold.Median.TotalMilliseconds;

    /// <summary>The median of the restores' times until ready, milliseconds.</summary>
    public double RestoredMilliseconds => Restored.Median.TotalMilliseconds;

    /// <summary>The median of the memory of the started program, bytes.</summary>
    public long ColdMemory => Cold.Memory;

    /// <summary>The median of the memory of the restored program, bytes.</summary>
    public long RestoredMemory => Restored.Memory;

    /// <summary>The starts.</summary>
    internal CracStartupSummary Cold { get; }

    /// <summary>The restores.</summary>
    internal CracStartupSummary Restored { get; }

    /// <summary>How many times as long as a restore a start takes, by the medians.</summary>
    public double Ratio => Cold.Median / Restored.Median;

    /// <summary>What the image takes on disk, bytes.</summary>
    public long ImageSize { get; }

    /// <summary>Every sample, in the order they were taken.</summary>
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
