using System.Collections.Frozen;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>Field types, with the numbers of protobuf's descriptor.proto.</summary>
internal enum FieldKind : byte
{
    Double = 1,
    Float = 2,
    Int64 = 3,
    UInt64 = 4,
    Int32 = 5,
    Fixed64 = 6,
    Fixed32 = 7,
    Bool = 8,
    String = 9,
    Message = 11,
    Bytes = 12,
    UInt32 = 13,
    Enum = 14,
    SFixed32 = 15,
    SFixed64 = 16,
    SInt32 = 17,
    SInt64 = 18,
}

/// <summary>A field of a message in the schema.</summary>
internal sealed class SchemaField
{
    internal required string Name { get; init; }

    internal required int Number { get; init; }

    internal required FieldKind Kind { get; init; }

    internal required bool IsRepeated { get; init; }

    /// <summary>Whether criu refuses a message without the field.</summary>
    internal required bool IsRequired { get; init; }

    /// <summary>Whether bytes are shown as quoted-printable instead of base64.</summary>
    internal required bool IsQuoted { get; init; }

    /// <summary>The type name of a message or enum field; null for other kinds.</summary>
    internal required string? TypeName { get; init; }

    internal SchemaMessage? Message { get; set; }

    /// <summary>An enum's names by value; null for other kinds.</summary>
    internal FrozenDictionary<int, string>? Names { get; set; }
}

/// <summary>A message type of the schema.</summary>
internal sealed class SchemaMessage
{
    private readonly SchemaField?[] _byNumber;

    internal SchemaMessage(string name, IReadOnlyList<SchemaField> fields)
    {
        Name = name;
        Fields = fields;
        int highest = 0;
        foreach (SchemaField field in fields)
        {
            highest = Math.Max(highest, field.Number);
        }

        _byNumber = new SchemaField?[highest + 1];
        foreach (SchemaField field in fields)
        {
            _byNumber[field.Number] = field;
            Required |= field.IsRequired && field.Number < 64 ? 1UL << field.Number : 0;
        }
    }

    internal string Name { get; }

    internal IReadOnlyList<SchemaField> Fields { get; }

    /// <summary>The required fields, a bit for each number.</summary>
    internal ulong Required { get; }

    /// <summary>The field names of the last decoded record. The next record usually has the same names and shares this array.</summary>
    internal string[] LastNames { get; set; } = [];

    /// <summary>Finds a field by its number; null if criu 4.2 has none.</summary>
    internal SchemaField? Find(int number) => (uint)number < (uint)_byNumber.Length ? _byNumber[number] : null;
}

/// <summary>
/// The messages of criu's images: the schemas of Images/Format/Schemas, compiled by protoc into a descriptor set,
/// which is itself a protobuf message. Loaded on first use.
/// </summary>
internal static class ImageSchema
{
    private const string Resource = "PSCrac.Images.Schemas";
    private static readonly Lazy<FrozenDictionary<string, SchemaMessage>> s_messages = new(Load);

    internal static IReadOnlyDictionary<string, SchemaMessage> Messages => s_messages.Value;

    /// <summary>Gets a message by criu's name, such as "pstree_entry".</summary>
    internal static SchemaMessage Get(string name) => s_messages.Value[name];

    private static FrozenDictionary<string, SchemaMessage> Load()
    {
        using Stream stream = typeof(ImageSchema).Assembly.GetManifestResourceStream(Resource)!;
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        var builder = new DescriptorSetReader();
        builder.ReadSet(new ProtobufReader(bytes, new MemoryImageFile("", Resource, bytes), 0));
        return builder.Link();
    }
}
