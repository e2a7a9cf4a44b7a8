using System.Collections.Frozen;

namespace PSCrac.Images.Format;

/// <summary>Reads the little of protobuf's descriptor.proto that decoding images takes.</summary>
internal sealed class DescriptorSetReader
{
    private readonly Dictionary<string, SchemaMessage> _messages = [];
    private readonly Dictionary<string, FrozenDictionary<int, string>> _enums = [];

    /// <summary>Reads a FileDescriptorSet: files are its field 1.</summary>
    internal void ReadSet(ProtobufReader set)
    {
        while (set.MoveNext())
        {
            if (set.Field == 1)
            {
                ReadFile(set.Message());
            }
            else
            {
                set.Skip();
            }
        }
    }

    /// <summary>Points fields at the messages and enums that they name.</summary>
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

    /// <summary>FileDescriptorProto: messages are its field 4, enums 5.</summary>
    private void ReadFile(ProtobufReader file)
    {
        while (file.MoveNext())
        {
            switch (file.Field)
            {
                case 4:
                    ReadMessage(file.Message(), "");
                    break;
                case 5:
                    ReadEnum(file.Message(), "");
                    break;
                default:
                    file.Skip();
                    break;
            }
        }
    }

    /// <summary>DescriptorProto: its name is field 1, its fields 2, messages within it 3, enums 4.</summary>
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
                    fields.Add(ReadField(message.Message()));
                    break;
                case 3:
                    ReadMessage(message.Message(), name + ".");
                    break;
                case 4:
                    ReadEnum(message.Message(), name + ".");
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
                return message.String();
            }

            message.Skip();
        }

        return "";
    }

    /// <summary>FieldDescriptorProto: name 1, number 3, label 4 (3 is repeated), type 5, the type's name 6, options 8.</summary>
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
                    name = field.String();
                    break;
                case 3:
                    number = field.Int32();
                    break;
                case 4:
                    label = field.Int32();
                    break;
                case 5:
                    kind = field.Int32();
                    break;
                case 6:
                    typeName = field.String().TrimStart('.');
                    break;
                case 8:
                    quoted = ReadQuoted(field.Message());
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
            IsQuoted = quoted,
            TypeName = typeName,
        };
    }

    /// <summary>The option of annotations.proto.</summary>
    private static bool ReadQuoted(ProtobufReader options)
    {
        bool quoted = false;
        while (options.MoveNext())
        {
            if (options.Field == 50001)
            {
                quoted = options.Bool();
            }
            else
            {
                options.Skip();
            }
        }

        return quoted;
    }

    /// <summary>EnumDescriptorProto: name 1, values 2, each with a name 1 and a number 2.</summary>
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
            ProtobufReader value = type.Message();
            while (value.MoveNext())
            {
                switch (value.Field)
                {
                    case 1:
                        valueName = value.String();
                        break;
                    case 2:
                        number = value.Int32();
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
