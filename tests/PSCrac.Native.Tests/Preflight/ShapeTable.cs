using System.Collections.Concurrent;

namespace PSCrac.Tests.Preflight;

/// <summary>Collects the result of each shape, and prints one table when all have run.</summary>
public sealed class ShapeTable : IDisposable
{
    private readonly ConcurrentQueue<string[]> _rows = new();

    private readonly ConcurrentQueue<(string Shape, string Message)> _messages = new();

    internal void Add(params string[] row) => _rows.Enqueue(row);

    /// <summary>Records the message to the user for a shape that cannot be checkpointed.</summary>
    internal void AddMessage(string shape, string message) => _messages.Enqueue((shape, message));

    /// <summary>Prints the table, and writes it beside the tests as process-shapes.txt, and the messages as process-shape-messages.txt.</summary>
    public void Dispose()
    {
        string[] head = ["shape", "predicted", "criu, no option", "options", "engine"];
        List<string[]> rows = [head, .. _rows.OrderBy(row => row[0], StringComparer.Ordinal)];
        int[] widths = [.. Enumerable.Range(0, head.Length).Select(column => rows.Max(row => row[column].Length))];
        IEnumerable<string> lines = rows.Select(row => string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
        string table = string.Join('\n', lines) + '\n';
        Console.WriteLine(table);
        File.WriteAllText(Path.Combine(AppContext.BaseDirectory, "process-shapes.txt"), table);
        IEnumerable<string> messages = _messages.OrderBy(each => each.Shape, StringComparer.Ordinal).Select(each => $"== {each.Shape}\n{each.Message}\n");
        File.WriteAllText(Path.Combine(AppContext.BaseDirectory, "process-shape-messages.txt"), string.Join('\n', messages));
    }
}
