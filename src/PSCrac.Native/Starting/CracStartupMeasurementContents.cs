namespace PSCrac;

/// <summary>
/// What a measurement holds beside the few values that sum them up. Extension members, and no properties of the types: what writes
/// out all properties of an object (ConvertTo-Json, Export-Csv, a logger) writes the values, but neither long lists, nor memory, nor
/// an environment with its secrets.
/// </summary>
public static class CracStartupMeasurementContents
{
    extension(CracStartupMeasurement measurement)
    {
        /// <summary>The starts.</summary>
        public CracStartupSummary Cold => measurement.Cold;

        /// <summary>The restores.</summary>
        public CracStartupSummary Restored => measurement.Restored;

        /// <summary>Every sample, in the order they were taken.</summary>
        public IReadOnlyList<CracStartupSample> Samples => measurement.Samples;
    }
}
