using System.Collections.Concurrent;

namespace PSCrac.Tests.Preflight;

/// <summary>Collects the message to the user in each restore situation, and writes it beside the tests as restore-situations.txt.</summary>
public sealed class SituationTable : IDisposable
{
    private readonly ConcurrentQueue<(string Situation, string Text)> _rows = new();

    internal void Add(string situation, string text) => _rows.Enqueue((situation, text));

    /// <inheritdoc/>
    public void Dispose() => File.WriteAllText(
        Path.Combine(AppContext.BaseDirectory, "restore-situations.txt"),
        string.Join('\n', _rows.OrderBy(row => row.Situation, StringComparer.Ordinal).Select(row => $"== {row.Situation}\n{row.Text}\n")));
}
