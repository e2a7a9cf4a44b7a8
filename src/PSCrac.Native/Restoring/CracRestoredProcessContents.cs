namespace PSCrac;

/// <summary>
/// What a restored process holds beside the few values that sum them up. Extension members, and no properties of the types: what writes
/// out all properties of an object (ConvertTo-Json, Export-Csv, a logger) writes the values, but neither long lists, nor memory, nor
/// an environment with its secrets.
/// </summary>
public static class CracRestoredProcessContents
{
    extension(CracRestoredProcess restored)
    {
        /// <summary>What the preflight found; empty where it was skipped.</summary>
        public IReadOnlyList<CracFinding> Findings => restored.Findings;
    }
}
