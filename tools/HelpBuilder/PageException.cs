namespace PSCrac.HelpBuilder;

/// <summary>A page that is not as it has to be: what is wrong, and where.</summary>
internal sealed class PageException(string path, int line, string message) : Exception($"{path}:{line}: {message}")
{
    /// <summary>The line of the page, counted from 1.</summary>
    public int Line { get; } = line;
}
