using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>What criu measured while it took the checkpoint: the content of stats-dump.</summary>
public sealed class CracImageStatistics
{
    /// <summary>The time until all processes of the tree stood still.</summary>
    public TimeSpan FreezingTime { get; private set; }

    /// <summary>The time the tree stood still.</summary>
    public TimeSpan FrozenTime { get; private set; }

    /// <summary>The time it took to find and take the memory's pages.</summary>
    public TimeSpan MemoryDumpTime { get; private set; }

    /// <summary>The time it took to write the pages.</summary>
    public TimeSpan MemoryWriteTime { get; private set; }

    /// <summary>How many pages were looked at.</summary>
    public long PagesScanned { get; private set; }

    /// <summary>How many pages were left out because the parent image has them.</summary>
    public long PagesSkippedParent { get; private set; }

    /// <summary>How many pages were written.</summary>
    public long PagesWritten { get; private set; }

    /// <summary>How many pages were left with the process, to be fetched later (lazy pages).</summary>
    public long PagesLazy { get; private set; }

    /// <summary>How many pages of shared memory were looked at.</summary>
    public long SharedPagesScanned { get; private set; }

    /// <summary>How many pages of shared memory were left out because the parent image has them.</summary>
    public long SharedPagesSkippedParent { get; private set; }

    /// <summary>How many pages of shared memory were written.</summary>
    public long SharedPagesWritten { get; private set; }

    /// <summary>Reads stats-dump; null where there is none, or it tells of no dump.</summary>
    internal static CracImageStatistics? Read(ImageSource source)
    {
        using ImageEntryReader? entries = source.TryOpenEntries("stats-dump", ImageType.Stats);
        if (entries is null || !entries.MoveNext())
        {
            return null;
        }

        ProtobufReader entry = entries.Reader;
        while (entry.MoveNext())
        {
            if (entry.Field == Wire.StatsEntry.Dump)
            {
                return Read(entry.Message());
            }

            entry.Skip();
        }

        return null;
    }

    private static CracImageStatistics Read(ProtobufReader dump)
    {
        var read = new CracImageStatistics();
        while (dump.MoveNext())
        {
            if (dump.WireType != WireType.Varint)
            {
                dump.Skip();
                continue;
            }

            ulong value = dump.UInt64();
            switch (dump.Field)
            {
                case Wire.DumpStatsEntry.FreezingTime:
                    read.FreezingTime = Time(value);
                    break;
                case Wire.DumpStatsEntry.FrozenTime:
                    read.FrozenTime = Time(value);
                    break;
                case Wire.DumpStatsEntry.MemdumpTime:
                    read.MemoryDumpTime = Time(value);
                    break;
                case Wire.DumpStatsEntry.MemwriteTime:
                    read.MemoryWriteTime = Time(value);
                    break;
                case Wire.DumpStatsEntry.PagesScanned:
                    read.PagesScanned = (long)value;
                    break;
                case Wire.DumpStatsEntry.PagesSkippedParent:
                    read.PagesSkippedParent = (long)value;
                    break;
                case Wire.DumpStatsEntry.PagesWritten:
                    read.PagesWritten = (long)value;
                    break;
                case Wire.DumpStatsEntry.PagesLazy:
                    read.PagesLazy = (long)value;
                    break;
                case Wire.DumpStatsEntry.ShpagesScanned:
                    read.SharedPagesScanned = (long)value;
                    break;
                case Wire.DumpStatsEntry.ShpagesSkippedParent:
                    read.SharedPagesSkippedParent = (long)value;
                    break;
                case Wire.DumpStatsEntry.ShpagesWritten:
                    read.SharedPagesWritten = (long)value;
                    break;
            }
        }

        return read;
    }

    private static TimeSpan Time(ulong microseconds) => TimeSpan.FromMicroseconds((uint)microseconds);
}
