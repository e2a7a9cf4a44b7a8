using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>Decodes messages into records according to the schema. Not thread-safe.</summary>
internal sealed class RecordDecoder
{
    // The bytes in a line of base64, as Python's base64.encodebytes has them.
    private const int Base64Line = 57;

    // The limit of protobuf's own readers. criu's deepest message is a tree of control groups.
    private const int MaximumNesting = 100;

    // A record with many different unknown fields is damaged, and looking each of them up would take too long.
    private const int MaximumFields = 512;

    // A value of one byte becomes an object. The longest of criu's lists are the mapped areas, whose usual limit is 65,530 (vm.max_map_count).
    private const int MaximumItems = 1 << 20;
    private static readonly object[] s_smallUInt32 = [.. Enumerable.Range(0, 256).Select(static n => (object)(uint)n)];
    private static readonly object[] s_smallUInt64 = [.. Enumerable.Range(0, 256).Select(static n => (object)(ulong)n)];
    private static readonly object s_true = true;
    private static readonly object s_false = false;
    private string[] _names = new string[64];
    private object[] _values = new object[64];
    private int _used;
    private int _depth;

    internal CracImageRecord Decode(ProtobufReader reader, SchemaMessage? message)
    {
        if (++_depth > MaximumNesting)
        {
            _depth--;
            ImageFault.Corrupt(reader.File, reader.Offset, $"messages are nested more than {MaximumNesting} deep");
        }

        int start = _used;
        try
        {
            while (reader.MoveNext())
            {
                SchemaField? field = message?.Find(reader.Field);
                if (field is null || !CanDecode(field, reader.WireType))
                {
                    if (_used - start > MaximumFields)
                    {
                        ImageFault.Corrupt(reader.File, reader.FieldOffset, $"a message has more than {MaximumFields} fields");
                    }

                    AddRepeatable($"unknown_{reader.Field}", ReadUnknown(ref reader), start, reader);
                }
                else if (field.IsRepeated)
                {
                    ReadRepeated(ref reader, field, start);
                }
                else
                {
                    Set(field.Name, ReadValue(ref reader, field), start);
                }
            }

            reader.RequireFields(message?.Required ?? 0);
            return CreateRecord(message, start);
        }
        finally
        {
            _used = start;
            _depth--;
        }
    }

    /// <summary>Bytes in base64 as crit prints them: lines of 76 characters, each with a line feed.</summary>
    internal static string ToBase64(ReadOnlySpan<byte> bytes) =>
        bytes.IsEmpty ? "" : string.Create(GetBase64Length(bytes.Length), bytes, static (text, source) => WriteBase64(source, ref text));

    /// <summary>The same of bytes in a file, which are read a piece at a time: the text is all the memory that it takes.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">The first byte's offset.</param>
    /// <param name="length">The number of bytes.</param>
    internal static string ToBase64(ImageFile file, long offset, int length) => length == 0 ? "" : string.Create(
        GetBase64Length(length),
        (file, offset, length),
        static (text, from) =>
        {
            Span<byte> piece = stackalloc byte[Base64Line * 64];
            for (int done = 0; done < from.length; done += piece.Length)
            {
                piece = piece[..Math.Min(piece.Length, from.length - done)];
                from.file.ReadExactlyAt(from.offset + done, piece);
                WriteBase64(piece, ref text);
            }
        });

    private static int GetBase64Length(int bytes) => checked((((bytes + 2) / 3) * 4) + ((bytes + Base64Line - 1) / Base64Line));

    private static void WriteBase64(scoped ReadOnlySpan<byte> bytes, ref Span<char> text)
    {
        while (!bytes.IsEmpty)
        {
            ReadOnlySpan<byte> part = bytes[..Math.Min(Base64Line, bytes.Length)];
            Convert.TryToBase64Chars(part, text, out int written);
            text[written] = '\n';
            text = text[(written + 1)..];
            bytes = bytes[part.Length..];
        }
    }

    internal static object Box(uint value) => value < 256 ? s_smallUInt32[value] : value;

    internal static object Box(ulong value) => value < 256 ? s_smallUInt64[value] : value;

    /// <summary>Whether a wire type is valid for a field: its own or, for a repeated field, a packed list.</summary>
    private static bool CanDecode(SchemaField field, WireType wire)
    {
        WireType own = field.Kind switch
        {
            FieldKind.Double or FieldKind.Fixed64 or FieldKind.SFixed64 => WireType.Fixed64,
            FieldKind.Float or FieldKind.Fixed32 or FieldKind.SFixed32 => WireType.Fixed32,
            FieldKind.String or FieldKind.Bytes or FieldKind.Message => WireType.Bytes,
            _ => WireType.Varint,
        };
        return wire == own || (wire == WireType.Bytes && field.IsRepeated);
    }

    private static object ReadUnknown(ref ProtobufReader reader) => reader.WireType switch
    {
        WireType.Varint => Box(reader.ReadUInt64()),
        WireType.Fixed64 => Box(reader.ReadFixed64()),
        WireType.Fixed32 => Box(reader.ReadFixed32()),
        _ => ToBase64(reader.ReadBytes()),
    };

    private void ReadRepeated(ref ProtobufReader reader, SchemaField field, int start)
    {
        bool packed = reader.WireType == WireType.Bytes
            && field.Kind is not (FieldKind.String or FieldKind.Bytes or FieldKind.Message);
        List<object> items = GetOrAddItems(field.Name, start);
        if (!packed)
        {
            Add(items, ReadValue(ref reader, field), reader);
            return;
        }

        ProtobufReader list = reader.ReadMessage();
        while (!list.IsAtEnd)
        {
            Add(items, ReadPacked(ref list, field), reader);
        }
    }

    private static void Add(List<object> items, object value, in ProtobufReader reader)
    {
        if (items.Count == MaximumItems)
        {
            ImageFault.Corrupt(reader.File, reader.FieldOffset, $"field {reader.Field} has more than {MaximumItems} values, the most that are read");
        }

        items.Add(value);
    }

    private static object ReadPacked(ref ProtobufReader list, SchemaField field) => field.Kind switch
    {
        FieldKind.Fixed64 or FieldKind.Double => Box(list.ReadRawFixed64()),
        FieldKind.SFixed64 => (long)list.ReadRawFixed64(),
        FieldKind.Fixed32 or FieldKind.Float => Box(list.ReadRawFixed32()),
        FieldKind.SFixed32 => (int)list.ReadRawFixed32(),
        _ => FromVarint(list.ReadVarint(), field),
    };

    private object ReadValue(ref ProtobufReader reader, SchemaField field)
    {
        switch (field.Kind)
        {
            case FieldKind.Message:
                return Decode(reader.ReadMessage(), field.Message);
            case FieldKind.String:
                return reader.ReadString();
            case FieldKind.Bytes:
                ReadOnlySpan<byte> bytes = reader.ReadBytes();
                return field.IsQuoted ? QuotedPrintable.Encode(bytes) : ToBase64(bytes);
            case FieldKind.Fixed64 or FieldKind.Double:
                return Box(reader.ReadFixed64());
            case FieldKind.SFixed64:
                return (long)reader.ReadFixed64();
            case FieldKind.Fixed32 or FieldKind.Float:
                return Box(reader.ReadFixed32());
            case FieldKind.SFixed32:
                return (int)reader.ReadFixed32();
            default:
                return FromVarint(reader.ReadUInt64(), field);
        }
    }

    private static object FromVarint(ulong value, SchemaField field) => field.Kind switch
    {
        FieldKind.UInt32 => Box((uint)value),
        FieldKind.UInt64 => Box(value),
        FieldKind.Int32 => (int)value,
        FieldKind.Int64 => (long)value,
        FieldKind.SInt32 => (int)((uint)value >> 1) ^ -(int)(value & 1),
        FieldKind.SInt64 => (long)(value >> 1) ^ -(long)(value & 1),
        FieldKind.Bool => value != 0 ? s_true : s_false,
        _ => field.Names!.TryGetValue((int)value, out string? name) ? name : (int)value,
    };

    private List<object> GetOrAddItems(string name, int start)
    {
        for (int i = _used - 1; i >= start; i--)
        {
            if (ReferenceEquals(_names[i], name))
            {
                return (List<object>)_values[i];
            }
        }

        var items = new List<object>();
        Append(name, items);
        return items;
    }

    /// <summary>Sets a field. The last value of a duplicate wins, as in protobuf.</summary>
    private void Set(string name, object value, int start)
    {
        for (int i = start; i < _used; i++)
        {
            if (ReferenceEquals(_names[i], name))
            {
                _values[i] = value;
                return;
            }
        }

        Append(name, value);
    }

    private void AddRepeatable(string name, object value, int start, in ProtobufReader reader)
    {
        for (int i = start; i < _used; i++)
        {
            if (_names[i] == name)
            {
                if (_values[i] is List<object> items)
                {
                    Add(items, value, reader);
                }
                else
                {
                    _values[i] = new List<object> { _values[i], value };
                }

                return;
            }
        }

        Append(name, value);
    }

    private void Append(string name, object value)
    {
        if (_used == _names.Length)
        {
            Array.Resize(ref _names, _used * 2);
            Array.Resize(ref _values, _used * 2);
        }

        _names[_used] = name;
        _values[_used++] = value;
    }

    private CracImageRecord CreateRecord(SchemaMessage? message, int start)
    {
        Span<object> found = _values.AsSpan(start, _used - start);
        var values = new object[found.Length];
        for (int i = 0; i < found.Length; i++)
        {
            values[i] = found[i] is List<object> items ? items.ToArray() : found[i];
        }

        found.Clear();
        ReadOnlySpan<string> names = _names.AsSpan(start, values.Length);
        string[]? shared = message?.LastNames;
        if (shared is null || !SameNames(names, shared))
        {
            shared = names.ToArray();
            message?.LastNames = shared;
        }

        return new CracImageRecord(shared, values);
    }

    private static bool SameNames(ReadOnlySpan<string> names, string[] shared)
    {
        if (names.Length != shared.Length)
        {
            return false;
        }

        for (int i = 0; i < shared.Length; i++)
        {
            if (!ReferenceEquals(names[i], shared[i]))
            {
                return false;
            }
        }

        return true;
    }
}
