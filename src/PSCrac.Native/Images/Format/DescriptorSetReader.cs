using System.Collections.Frozen;

namespace PSCrac.Images.Format;

/// <summary>Reads the parts of protobuf's descriptor.proto that are needed to decode images.</summary>
internal sealed class DescriptorSetReader
{
    private readonly Dictionary<string, SchemaMessage> _messages = [];
    private readonly Dictionary<string, FrozenDictionary<int, string>> _enums = [];

    /// <summary>Reads a FileDescriptorSet: field 1 is the files.</summary>
    internal void ReadSet(ProtobufReader set)
    {
        while (set.MoveNext())
        {
            if (set.Field == 1)
            {
                ReadFile(set.ReadMessage());
            }
            else
            {
                set.Skip();
            }
        }
    }

    /// <summary>Links fields to the messages and enums that they name.</summary>
    internal FrozenDictionary<string, SchemaMessage> Link()
    {
        foreach (SchemaMessage message in _messages.Values)
        {
            foreach (SchemaField field in message.Fields)
            {
                if (field.Kind == FieldKind.Message)
                {
                    field.Message = _messages[field.TypeName!];
                }
                else if (field.Kind == FieldKind.Enum)
                {
                    field.Names = _enums[field.TypeName!];
                }
            }
        }

        return _messages.ToFrozenDictionary();
    }

    /// <summary>FileDescriptorProto: field 4 is the messages, 5 the enums.</summary>
    private void ReadFile(ProtobufReader file)
    {
        while (file.MoveNext())
        {
            switch (file.Field)
            {
                case 4:
                    ReadMessage(file.ReadMessage(), "");
                    break;
                case 5:
                    ReadEnum(file.ReadMessage(), "");
                    break;
                default:
                    file.Skip();
                    break;
            }
        }
    }

    /// <summary>DescriptorProto: field 1 is the name, 2 the fields, 3 the nested messages, 4 the enums.</summary>
    private void ReadMessage(ProtobufReader message, string scope)
    {
        ProtobufReader first = message;
        string name = scope + ReadName(first);
        var fields = new List<SchemaField>();
        while (message.MoveNext())
        {
            switch (message.Field)
            {
                case 2:
                    fields.Add(ReadField(message.ReadMessage()));
                    break;
                case 3:
                    ReadMessage(message.ReadMessage(), name + ".");
                    break;
                case 4:
                    ReadEnum(message.ReadMessage(), name + ".");
                    break;
                default:
                    message.Skip();
                    break;
            }
        }

        _messages[name] = new SchemaMessage(name, fields);
    }

    private static string ReadName(ProtobufReader message)
    {
        while (message.MoveNext())
        {
            if (message.Field == 1)
            {
                return message.ReadString();
            }

            message.Skip();
        }

        return "";
    }

    /// <summary>FieldDescriptorProto: field 1 is the name, 3 the number, 4 the label (2: required, 3: repeated), 5 the type, 6 the type's name, 8 the options.</summary>
    private static SchemaField ReadField(ProtobufReader field)
    {
        string name = "";
        int number = 0;
        int label = 0;
        int kind = 0;
        string? typeName = null;
        bool quoted = false;
        while (field.MoveNext())
        {
            switch (field.Field)
            {
                case 1:
                    name = field.ReadString();
                    break;
                case 3:
                    number = field.ReadInt32();
                    break;
                case 4:
                    label = field.ReadInt32();
                    break;
                case 5:
                    kind = field.ReadInt32();
                    break;
                case 6:
                    typeName = field.ReadString().TrimStart('.');
                    break;
                case 8:
                    quoted = ReadQuoted(field.ReadMessage());
                    break;
                default:
                    field.Skip();
                    break;
            }
        }

        return new SchemaField
        {
            Name = name,
            Number = number,
            Kind = (FieldKind)kind,
            IsRepeated = label == 3,
            IsRequired = label == 2,
            IsQuoted = quoted,
            TypeName = typeName,
        };
    }

    /// <summary>Reads the quoted option of annotations.proto.</summary>
    private static bool ReadQuoted(ProtobufReader options)
    {
        bool quoted = false;
        while (options.MoveNext())
        {
            if (options.Field == 50001)
            {
                quoted = options.ReadBool();
            }
            else
            {
                options.Skip();
            }
        }

        return quoted;
    }

    /// <summary>EnumDescriptorProto: field 1 is the name, 2 the values, each with name 1 and number 2.</summary>
    private void ReadEnum(ProtobufReader type, string scope)
    {
        string name = scope + ReadName(type);
        var names = new Dictionary<int, string>();
        while (type.MoveNext())
        {
            if (type.Field != 2)
            {
                type.Skip();
                continue;
            }

            string valueName = "";
            int number = 0;
            ProtobufReader value = type.ReadMessage();
            while (value.MoveNext())
            {
                switch (value.Field)
                {
                    case 1:
                        valueName = value.ReadString();
                        break;
                    case 2:
                        number = value.ReadInt32();
                        break;
                    default:
                        value.Skip();
                        break;
                }
            }

            names[number] = valueName;
        }

        _enums[name] = names.ToFrozenDictionary();
    }
}
