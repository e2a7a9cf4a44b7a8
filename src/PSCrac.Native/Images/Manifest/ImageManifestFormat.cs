using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PSCrac.Images.Manifest;

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ImageManifest))]
internal sealed partial class ImageManifestJson : JsonSerializerContext;

/// <summary>Reads and writes the manifest's options: scalars and arrays of scalars, ordered by name.</summary>
internal sealed class ImageManifestOptionsConverter : JsonConverter<IReadOnlyDictionary<string, object>>
{
    public override IReadOnlyDictionary<string, object> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException("options is not an object");
        }

        var values = new SortedDictionary<string, object>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            values[name] = reader.TokenType == JsonTokenType.StartArray ? ReadArray(ref reader) : ReadScalar(ref reader);
        }

        return values;
    }

    public override void Write(Utf8JsonWriter writer, IReadOnlyDictionary<string, object> value, JsonSerializerOptions options)
    {
        string[] names = [.. value.Keys];
        Array.Sort(names, StringComparer.Ordinal);
        writer.WriteStartObject();
        foreach (string name in names)
        {
            writer.WritePropertyName(name);
            WriteValue(writer, name, value[name], inArray: false);
        }

        writer.WriteEndObject();
    }

    private static object[] ReadArray(ref Utf8JsonReader reader)
    {
        var items = new List<object>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            items.Add(ReadScalar(ref reader));
        }

        return [.. items];
    }

    private static object ReadScalar(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        JsonTokenType.String => reader.GetString()!,
        JsonTokenType.Number => reader.TryGetInt64(out long number) ? (object)number : reader.GetDouble(),
        _ => throw new JsonException("an option is neither a scalar nor an array of scalars"),
    };

    private static void WriteValue(Utf8JsonWriter writer, string name, object? value, bool inArray)
    {
        switch (value)
        {
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case string text:
                writer.WriteStringValue(text);
                break;
            case int or long or short or byte or uint or ushort or sbyte:
                writer.WriteNumberValue(Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture));
                break;
            case ulong number:
                writer.WriteNumberValue(number);
                break;
            case double or float or decimal:
                writer.WriteNumberValue(Convert.ToDouble(value, System.Globalization.CultureInfo.InvariantCulture));
                break;
            case System.Collections.IEnumerable items when !inArray:
                writer.WriteStartArray();
                foreach (object? item in items)
                {
                    WriteValue(writer, name, item, inArray: true);
                }

                writer.WriteEndArray();
                break;
            default:
                throw new ArgumentException($"The value of option {name} has a type that a manifest cannot store: {value?.GetType().Name ?? "null"}.");
        }
    }
}

/// <summary>The manifest's text format: indented for readers, with paths not escaped.</summary>
internal static class ImageManifestText
{
    internal static readonly JsonWriterOptions WriterOptions = new()
    {
        Indented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
}
