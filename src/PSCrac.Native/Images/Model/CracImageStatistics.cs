using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>criu's statistics of the checkpoint: the content of stats-dump.</summary>
public sealed class CracImageStatistics
{
    /// <summary>The time to freeze all processes of the tree.</summary>
    public TimeSpan FreezingTime { get; private set; }

    /// <summary>The time for which the tree was frozen.</summary>
    public TimeSpan FrozenTime { get; private set; }

    /// <summary>The time to collect the memory pages.</summary>
    public TimeSpan MemoryDumpTime { get; private set; }

    /// <summary>The time to write the memory pages.</summary>
    public TimeSpan MemoryWriteTime { get; private set; }

    /// <summary>The number of memory pages that were examined.</summary>
    public long PagesScanned { get; private set; }

    /// <summary>The number of pages that were skipped because the parent image has them.</summary>
    public long PagesSkippedParent { get; private set; }

    /// <summary>The number of pages that were written.</summary>
    public long PagesWritten { get; private set; }

    /// <summary>The number of lazy pages, which were left in the process to be fetched later.</summary>
    public long PagesLazy { get; private set; }

    /// <summary>The number of shared memory pages that were examined.</summary>
    public long SharedPagesScanned { get; private set; }

    /// <summary>The number of shared memory pages that were skipped because the parent image has them.</summary>
    public long SharedPagesSkippedParent { get; private set; }

    /// <summary>The number of shared memory pages that were written.</summary>
    public long SharedPagesWritten { get; private set; }

    /// <summary>Reads stats-dump; null if there is none or it has no dump statistics.</summary>
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
                return Read(entry.ReadMessage());
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

            ulong value = dump.ReadUInt64();
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
