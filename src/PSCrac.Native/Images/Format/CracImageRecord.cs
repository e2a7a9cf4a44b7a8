using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace PSCrac;

/// <summary>
/// A decoded message: field values by criu's names, in the order of the file. Contains only the fields that are set.
/// A value is a <see cref="bool"/>, an integer of the field's size, a <see cref="string"/> (also for enums, and for bytes
/// in base64), another record, or an object array of those. A field that criu 4.2 does not know is named
/// <c>unknown_</c> plus its number.
/// </summary>
#pragma warning disable CA1710 // criu's documentation says record; PowerShell reads it as a dictionary.
public class CracImageRecord : IReadOnlyDictionary<string, object>, IDictionary
#pragma warning restore CA1710
{
    private readonly string[] _names;
    private readonly object[] _values;

    private protected CracImageRecord(CracImageRecord other)
        : this(other._names, other._values)
    {
    }

    internal CracImageRecord(string[] names, object[] values)
    {
        _names = names;
        _values = values;
    }

    /// <summary>The number of fields that are set.</summary>
    public int Count => _names.Length;

    /// <summary>The names of the set fields.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>The values of the set fields, in the order of <see cref="Names"/>.</summary>
    public IReadOnlyList<object> Values => _values;

    /// <summary>The value of a field.</summary>
    /// <param name="name">criu's name for the field.</param>
    /// <exception cref="KeyNotFoundException">The field is not set.</exception>
    public object this[string name] =>
        TryGetValue(name, out object? value) ? value : throw new KeyNotFoundException($"The record has no field {name}.");

    IEnumerable<string> IReadOnlyDictionary<string, object>.Keys => _names;

    IEnumerable<object> IReadOnlyDictionary<string, object>.Values => _values;

    bool IDictionary.IsFixedSize => true;

    bool IDictionary.IsReadOnly => true;

    ICollection IDictionary.Keys => _names;

    ICollection IDictionary.Values => _values;

    bool ICollection.IsSynchronized => false;

    object ICollection.SyncRoot => this;

    object? IDictionary.this[object key]
    {
        get => key is string name && TryGetValue(name, out object? value) ? value : null;
        set => throw ReadOnly();
    }

    /// <inheritdoc/>
    public bool ContainsKey(string key) => IndexOf(key) >= 0;

    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out object value)
    {
        int index = IndexOf(key);
        value = index >= 0 ? _values[index] : null;
        return index >= 0;
    }

    /// <summary>Writes the record as a JSON object, as <c>crit decode</c> does.</summary>
    /// <param name="writer">The writer; not flushed here.</param>
    public void WriteTo(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        for (int i = 0; i < _names.Length; i++)
        {
            writer.WritePropertyName(_names[i]);
            WriteValue(writer, _values[i]);
        }

        writer.WriteEndObject();
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, object>> GetEnumerator()
    {
        for (int i = 0; i < _names.Length; i++)
        {
            yield return new KeyValuePair<string, object>(_names[i], _values[i]);
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => new EntryEnumerator(this);

    IDictionaryEnumerator IDictionary.GetEnumerator() => new EntryEnumerator(this);

    bool IDictionary.Contains(object key) => key is string name && ContainsKey(name);

    void IDictionary.Add(object key, object? value) => throw ReadOnly();

    void IDictionary.Clear() => throw ReadOnly();

    void IDictionary.Remove(object key) => throw ReadOnly();

    void ICollection.CopyTo(Array array, int index)
    {
        for (int i = 0; i < _names.Length; i++)
        {
            array.SetValue(new DictionaryEntry(_names[i], _values[i]), index + i);
        }
    }

    /// <summary>A field as a number; 0 if it is not set or not a number.</summary>
    internal ulong GetNumber(string name) =>
        TryGetValue(name, out object? value)
            ? value switch
            {
                uint number => number,
                ulong number => number,
                int number => (ulong)number,
                long number => (ulong)number,
                _ => 0,
            }
            : 0;

    /// <summary>A field as text; null if it is not set or not text.</summary>
    internal string? GetText(string name) => TryGetValue(name, out object? value) ? value as string : null;

    /// <summary>A field as a message; null if it is not set or not a message.</summary>
    internal CracImageRecord? GetRecord(string name) => TryGetValue(name, out object? value) ? value as CracImageRecord : null;

    /// <summary>A repeated field's values; empty if it is not set.</summary>
    internal object[] GetItems(string name) => TryGetValue(name, out object? value) && value is object[] items ? items : [];

    /// <summary>Whether a field is set and true.</summary>
    internal bool GetFlag(string name) => TryGetValue(name, out object? value) && value is true;

    private static NotSupportedException ReadOnly() => new("An image's records are read-only.");

    private static void WriteValue(Utf8JsonWriter writer, object value)
    {
        switch (value)
        {
            case string text:
                writer.WriteStringValue(text);
                break;
            case uint number:
                writer.WriteNumberValue(number);
                break;
            case ulong number:
                writer.WriteNumberValue(number);
                break;
            case int number:
                writer.WriteNumberValue(number);
                break;
            case long number:
                writer.WriteNumberValue(number);
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case CracImageRecord record:
                record.WriteTo(writer);
                break;
            case object[] items:
                writer.WriteStartArray();
                foreach (object item in items)
                {
                    WriteValue(writer, item);
                }

                writer.WriteEndArray();
                break;
            default:
                throw new InvalidOperationException($"A record cannot hold a {value.GetType().Name}.");
        }
    }

    private int IndexOf(string name)
    {
        string[] names = _names;
        for (int i = 0; i < names.Length; i++)
        {
            if (names[i].Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return i;
            }
        }

        return -1;
    }

    private sealed class EntryEnumerator(CracImageRecord record) : IDictionaryEnumerator
    {
        private int _index = -1;

        public DictionaryEntry Entry => new(record._names[_index], record._values[_index]);

        public object Key => record._names[_index];

        public object? Value => record._values[_index];

        public object Current => Entry;

        public bool MoveNext() => ++_index < record._names.Length;

        public void Reset() => _index = -1;
    }
}
