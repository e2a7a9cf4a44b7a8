using System.Buffers.Binary;

namespace PSCrac.Images.Format;

/// <summary>Decodes entries together with what follows them.</summary>
internal sealed class PayloadReader(RecordDecoder decoder, int limit)
{
    private const string Extra = "extra";

    /// <summary>Whether a ghost file's first entry says that its content follows in chunks.</summary>
    internal static bool IsChunked(CracImageRecord ghost) => ghost.Flag("chunks");

    /// <summary>Decodes the current entry, and leaves the reader behind its payload.</summary>
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
            PayloadKind.Pipe => Bytes(entries, Number(bare, "bytes")),
            PayloadKind.Packet => Bytes(entries, Number(bare, "length")),
            PayloadKind.BpfMap => Bytes(entries, Number(bare, "keys_bytes") + Number(bare, "values_bytes")),
            PayloadKind.TcpQueues => ReadQueues(entries, Number(bare, "inq_len"), Number(bare, "outq_len")),
            PayloadKind.SharedMemory => ReadSharedMemory(entries, bare),
            PayloadKind.Semaphores => ReadSemaphores(entries, Number(bare, "nsems")),
            _ => ReadMessages(entries, Number(bare, "qnum")),
        };
        return With(bare, extra);
    }

    private static CracImageRecord With(CracImageRecord record, object? extra) =>
        extra is null ? record : new CracImageRecord([.. record.Names, Extra], [.. record.Values, extra]);

    /// <summary>A length; more than any file has where it does not fit.</summary>
    private static long Number(CracImageRecord record, string name) => (long)Math.Min(record.Number(name), long.MaxValue / 4);

    private static long RoundUp(long size, long unit) => (size + unit - 1) / unit * unit;

    /// <summary>Reads bytes as base 64; null where they are more than wanted.</summary>
    private string? Bytes(ImageEntryReader entries, long length)
    {
        long offset = entries.Position;
        entries.SkipPayload(length);
        if (length > limit)
        {
            return null;
        }

        byte[] bytes = new byte[length];
        entries.File.ReadExactlyAt(offset, bytes);
        return RecordDecoder.ToBase64(bytes);
    }

    private CracImageRecord? ReadQueues(ImageEntryReader entries, long received, long sent)
    {
        string? inq = Bytes(entries, received);
        string? outq = Bytes(entries, sent);
        return inq is null || outq is null ? null : new CracImageRecord(["inq", "outq"], [inq, outq]);
    }

    private string? ReadSharedMemory(ImageEntryReader entries, CracImageRecord segment)
    {
        if (segment.Flag("in_pagemaps"))
        {
            return "";
        }

        long size = Number(segment, "size");
        string? content = Bytes(entries, size);
        SkipPadding(entries, size, 4);
        return content;
    }

    private static object[] ReadSemaphores(ImageEntryReader entries, long count)
    {
        long offset = entries.Position;
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
        for (long i = 0; i < count && entries.MoveWithin(); i++)
        {
            CracImageRecord message = decoder.Decode(entries.Reader, schema);
            long size = Number(message, "msize");
            string? text = Bytes(entries, size);
            SkipPadding(entries, size, 8);
            complete &= text is not null;
            values.Add(message);
            values.Add(text ?? "");
        }

        return complete ? [.. values] : null;
    }

    /// <summary>The last padding of a file may be missing: criu seeks over it.</summary>
    private static void SkipPadding(ImageEntryReader entries, long size, long unit) =>
        entries.SkipPayload(Math.Min(RoundUp(size, unit) - size, entries.File.Length - entries.Position));

    private CracImageRecord ReadGhost(ImageEntryReader entries, SchemaMessage message)
    {
        CracImageRecord entry = decoder.Decode(entries.Reader, message);
        if (entries.Index > 0)
        {
            return With(entry, Bytes(entries, Number(entry, "len")));
        }

        return IsChunked(entry) ? entry : With(entry, Bytes(entries, entries.File.Length - entries.Position));
    }
}
