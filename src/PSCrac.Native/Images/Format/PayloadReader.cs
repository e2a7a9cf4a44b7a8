using System.Buffers.Binary;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>Decodes entries together with their payload.</summary>
internal sealed class PayloadReader(RecordDecoder decoder, int limit)
{
    private const string Extra = "extra";

    // semop(2) numbers semaphores with 16 bits.
    private const int MaximumSemaphores = 1 << 16;

    /// <summary>Whether a ghost file's content follows in chunks, according to its first entry.</summary>
    internal static bool IsChunked(CracImageRecord ghost) => ghost.GetFlag("chunks");

    /// <summary>Decodes the current entry and moves the reader past its payload.</summary>
    internal CracImageRecord Read(ImageEntryReader entries, PayloadKind kind, SchemaMessage message)
    {
        switch (kind)
        {
            case PayloadKind.None:
                return decoder.Decode(entries.Reader, message);
            case PayloadKind.Ghost:
                return ReadGhost(entries, message);
        }

        CracImageRecord bare = decoder.Decode(entries.Reader, message);
        object? extra = kind switch
        {
            PayloadKind.Pipe => ReadBytes(entries, GetLength(bare, "bytes")),
            PayloadKind.Packet => ReadBytes(entries, GetLength(bare, "length")),
            PayloadKind.BpfMap => ReadBytes(entries, GetLength(bare, "keys_bytes") + GetLength(bare, "values_bytes")),
            PayloadKind.TcpQueues => ReadQueues(entries, GetLength(bare, "inq_len"), GetLength(bare, "outq_len")),
            PayloadKind.SharedMemory => ReadSharedMemory(entries, bare),
            PayloadKind.Semaphores => ReadSemaphores(entries, GetLength(bare, "nsems")),
            _ => ReadMessages(entries, GetLength(bare, "qnum")),
        };
        return AddExtra(bare, extra);
    }

    private static CracImageRecord AddExtra(CracImageRecord record, object? extra) =>
        extra is null ? record : new CracImageRecord([.. record.Names, Extra], [.. record.Values, extra]);

    /// <summary>A length field; values that do not fit are limited to more than any file has.</summary>
    private static long GetLength(CracImageRecord record, string name) => (long)Math.Min(record.GetNumber(name), long.MaxValue / 4);

    private static long RoundUp(long size, long unit) => (size + unit - 1) / unit * unit;

    /// <summary>Reads bytes as base64; null if they exceed the limit.</summary>
    private string? ReadBytes(ImageEntryReader entries, long length)
    {
        long offset = entries.Position;
        entries.SkipPayload(length);
        if (length > limit)
        {
            return null;
        }

        return RecordDecoder.ToBase64(entries.File, offset, (int)length);
    }

    private CracImageRecord? ReadQueues(ImageEntryReader entries, long received, long sent)
    {
        string? inq = ReadBytes(entries, received);
        string? outq = ReadBytes(entries, sent);
        return inq is null || outq is null ? null : new CracImageRecord(["inq", "outq"], [inq, outq]);
    }

    private string? ReadSharedMemory(ImageEntryReader entries, CracImageRecord segment)
    {
        if (segment.GetFlag("in_pagemaps"))
        {
            return "";
        }

        long size = GetLength(segment, "size");
        string? content = ReadBytes(entries, size);
        SkipPadding(entries, size, 4);
        return content;
    }

    private static object[] ReadSemaphores(ImageEntryReader entries, long count)
    {
        long offset = entries.Position;
        if (count > MaximumSemaphores)
        {
            ImageFault.Corrupt(entries.File, entries.MessageOffset, $"a set has {count} semaphores, more than the {MaximumSemaphores} of any");
        }

        entries.SkipPayload(count * sizeof(ushort));
        byte[] bytes = new byte[count * sizeof(ushort)];
        entries.File.ReadExactlyAt(offset, bytes);
        SkipPadding(entries, bytes.Length, 8);
        var values = new object[count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = RecordDecoder.Box((uint)BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(i * sizeof(ushort))));
        }

        return values;
    }

    private object[]? ReadMessages(ImageEntryReader entries, long count)
    {
        SchemaMessage schema = ImageSchema.Get("ipc_msg");
        var values = new List<object>();
        bool complete = true;
        for (long i = 0; i < count && entries.MoveToNestedMessage(); i++)
        {
            CracImageRecord message = decoder.Decode(entries.Reader, schema);
            long size = GetLength(message, "msize");
            string? text = ReadBytes(entries, size);
            SkipPadding(entries, size, 8);
            complete &= text is not null;
            values.Add(message);
            values.Add(text ?? "");
        }

        return complete ? [.. values] : null;
    }

    /// <summary>The padding at the end of a file may be missing: criu seeks over it.</summary>
    private static void SkipPadding(ImageEntryReader entries, long size, long unit) =>
        entries.SkipPayload(Math.Min(RoundUp(size, unit) - size, entries.File.Length - entries.Position));

    private CracImageRecord ReadGhost(ImageEntryReader entries, SchemaMessage message)
    {
        CracImageRecord entry = decoder.Decode(entries.Reader, message);
        if (entries.Index > 0)
        {
            return AddExtra(entry, ReadBytes(entries, GetLength(entry, "len")));
        }

        return IsChunked(entry) ? entry : AddExtra(entry, ReadBytes(entries, entries.File.Length - entries.Position));
    }
}
