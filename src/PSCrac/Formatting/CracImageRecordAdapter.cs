using System.Collections.ObjectModel;
using System.Management.Automation;

namespace PSCrac;

/// <summary>
/// Shows the fields of a decoded entry to PowerShell as properties, so that Select-Object, Group-Object, Sort-Object and
/// Format-Table take their names; of a dictionary they would only see the keys' collection. An entry has what it knows of
/// its place too, where no field is of that name. The .NET object is behind <c>psbase</c>.
/// </summary>
public sealed class CracImageRecordAdapter : PSPropertyAdapter
{
    private static readonly string[] s_placeNames =
    [
        nameof(CracImageEntry.File), nameof(CracImageEntry.Index), nameof(CracImageEntry.FileType),
        nameof(CracImageEntry.Offset), nameof(CracImageEntry.PayloadOffset), nameof(CracImageEntry.PayloadLength),
    ];

    // As with any dictionary, asked for by name only.
    private static readonly string[] s_dictionaryNames = [nameof(CracImageRecord.Names), "Keys", nameof(CracImageRecord.Values)];

    /// <inheritdoc/>
    public override Collection<PSAdaptedProperty> GetProperties(object baseObject)
    {
        var record = (CracImageRecord)baseObject;
        var properties = new Collection<PSAdaptedProperty>();
        foreach (string name in record.Names)
        {
            properties.Add(new PSAdaptedProperty(name, null));
        }

        foreach (string name in record is CracImageEntry ? s_placeNames : [])
        {
            if (!record.ContainsKey(name))
            {
                properties.Add(new PSAdaptedProperty(name, null));
            }
        }

        return properties;
    }

    /// <inheritdoc/>
    public override PSAdaptedProperty? GetProperty(object baseObject, string propertyName) =>
        Find((CracImageRecord)baseObject, propertyName) is null ? null : new PSAdaptedProperty(propertyName, null);

    /// <inheritdoc/>
    public override string GetPropertyTypeName(PSAdaptedProperty adaptedProperty) =>
        Find((CracImageRecord)adaptedProperty.BaseObject, adaptedProperty.Name)?.GetType().FullName ?? typeof(object).FullName!;

    /// <inheritdoc/>
    public override object? GetPropertyValue(PSAdaptedProperty adaptedProperty) =>
        Find((CracImageRecord)adaptedProperty.BaseObject, adaptedProperty.Name);

    /// <inheritdoc/>
    public override bool IsGettable(PSAdaptedProperty adaptedProperty) => true;

    /// <inheritdoc/>
    public override bool IsSettable(PSAdaptedProperty adaptedProperty) => false;

    /// <inheritdoc/>
    public override void SetPropertyValue(PSAdaptedProperty adaptedProperty, object value) =>
        throw new SetValueException("An image's records cannot be changed.");

    private static object? Find(CracImageRecord record, string name) =>
        record.TryGetValue(name, out object? value) ? value
        : record is CracImageEntry entry && Same(name, s_placeNames) is { } place ? place switch
        {
            nameof(CracImageEntry.File) => entry.File,
            nameof(CracImageEntry.Index) => entry.Index,
            nameof(CracImageEntry.FileType) => entry.FileType,
            nameof(CracImageEntry.Offset) => entry.Offset,
            nameof(CracImageEntry.PayloadOffset) => entry.PayloadOffset,
            _ => entry.PayloadLength,
        }
        : Same(name, s_dictionaryNames) switch
        {
            null => null,
            nameof(CracImageRecord.Values) => record.Values,
            _ => record.Names,
        };

    private static string? Same(string name, string[] names)
    {
        foreach (string each in names)
        {
            if (each.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return each;
            }
        }

        return null;
    }
}
