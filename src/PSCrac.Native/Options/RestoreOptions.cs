namespace PSCrac.Options;

/// <summary>The options of a restore.</summary>
public sealed record RestoreOptions : CriuOptions
{
    /// <summary>--lazy-pages: fetch memory pages from a page daemon as they are touched.</summary>
    public bool LazyPages { get => Get(OptionTable.LazyPages) is true; init => Set(OptionTable.LazyPages, value); }

    internal override OptionScope Scope => OptionScope.Restore;

    /// <summary>Fills in what the caller has not given with what the checkpoint was made with.</summary>
    /// <param name="used">The options in the image's manifest, by criu's long names.</param>
    internal RestoreOptions WithDefaults(IReadOnlyDictionary<string, object> used)
    {
        ArgumentNullException.ThrowIfNull(used);
        CriuOptions filled = this;
        foreach (OptionRow row in OptionTable.Rows)
        {
            bool isGiven = Get(row) is not null || CriuOption.ContainsKey(row.Name);
            bool isExcluded = row.Excludes is { } other && Has(other);
            if (row.IsRepeated && !isGiven && !isExcluded && used.TryGetValue(row.Name, out object? value))
            {
                filled = filled.With(row, row.Value.Read(value));
            }
        }

        return (RestoreOptions)filled;
    }
}
