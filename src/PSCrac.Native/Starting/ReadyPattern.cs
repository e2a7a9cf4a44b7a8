using System.Text.RegularExpressions;
using PSCrac.Common;

namespace PSCrac.Starting;

/// <summary>A line of the program's output matches a pattern.</summary>
internal sealed class ReadyPattern : ReadyCondition
{
    private readonly Regex _pattern;
    private readonly List<OutputFile> _files;

    /// <summary>Creates the condition.</summary>
    /// <param name="pattern">A regular expression, matched against each line, also an unfinished one.</param>
    /// <param name="paths">The files that the program's output is written to.</param>
    /// <exception cref="ArgumentException">The pattern is not valid, or there is no file.</exception>
    internal ReadyPattern(string pattern, IReadOnlyList<string> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ArgumentOutOfRangeException.ThrowIfZero(paths.Count, nameof(paths));
        _pattern = new Regex(pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        _files = [.. paths.Distinct(StringComparer.Ordinal).Select(static path => new OutputFile(path))];
    }

    /// <inheritdoc/>
    internal override string Description => $"no line of its output matches '{_pattern}'";

    /// <inheritdoc/>
    internal override bool HoldsAfterRestore => false;

    internal override void Prepare(CancellationToken cancellation) => _files.ForEach(static file => file.SkipToEnd());

    internal override bool IsMet(int processId, TimeSpan limit, CancellationToken cancellation)
    {
        foreach (OutputFile file in _files)
        {
            foreach (string line in file.ReadNewLines())
            {
                if (_pattern.IsMatch(line))
                {
                    return true;
                }
            }
        }

        return false;
    }
}
