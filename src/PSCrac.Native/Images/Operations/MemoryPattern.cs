using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace PSCrac.Images.Operations;

/// <summary>A search pattern for memory: text, bytes or a regular expression.</summary>
internal sealed class MemoryPattern
{
    /// <summary>The maximum match of a regular expression, in bytes; longer matches are truncated or missed.</summary>
    internal const int MaximumExpressionMatch = 4096;

    private readonly byte[][] _needles;
    private readonly Regex? _expression;

    private MemoryPattern(byte[][] needles, Regex? expression)
    {
        _needles = needles;
        _expression = expression;
        foreach (byte[] needle in needles)
        {
            Overlap = Math.Max(Overlap, needle.Length - 1);
        }

        Overlap = expression is null ? Overlap : MaximumExpressionMatch;
    }

    /// <summary>How far a match that begins in one window may extend into the next, in bytes.</summary>
    internal int Overlap { get; }

    /// <summary>Creates a pattern for bytes.</summary>
    /// <param name="bytes">1 to 65,536 bytes.</param>
    /// <exception cref="ArgumentException">The number of bytes is out of range.</exception>
    internal static MemoryPattern FromBytes(params ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length is 0 or > 65536)
        {
            throw new ArgumentException("A pattern must have 1 to 65,536 bytes.", nameof(bytes));
        }

        return new MemoryPattern([bytes.ToArray()], null);
    }

    /// <summary>Creates a pattern for a text in UTF-8 and optionally in UTF-16, in which .NET, Java and JavaScript store many strings.</summary>
    /// <param name="text">1 to 16,384 characters.</param>
    /// <param name="alsoUtf16">Whether to search for UTF-16 (little endian) too.</param>
    /// <exception cref="ArgumentException">The text is empty, or longer than 16,384 characters.</exception>
    internal static MemoryPattern FromString(string text, bool alsoUtf16 = false)
    {
        if (text.Length is 0 or > 16384)
        {
            throw new ArgumentException("A pattern must have 1 to 16,384 characters.", nameof(text));
        }

        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return new MemoryPattern(alsoUtf16 ? [utf8, Encoding.Unicode.GetBytes(text)] : [utf8], null);
    }

    /// <summary>
    /// Creates a pattern for a regular expression. Memory is matched byte by byte as Latin-1: a letter outside ASCII matches its
    /// Latin-1 byte, not its UTF-8 form. A match has up to <see cref="MaximumExpressionMatch"/> bytes.
    /// </summary>
    /// <param name="expression">
    /// An expression that matches at least one character. As memory has arbitrary content, an expression that may backtrack for long
    /// should have a timeout or RegexOptions.NonBacktracking.
    /// </param>
    internal static MemoryPattern FromExpression(Regex expression) => new([], expression);

    /// <summary>Finds the first match in a window that begins at or after <paramref name="from"/> and before <paramref name="limit"/>; a start of -1 means none.</summary>
    internal (int Start, int Length) Find(ReadOnlySpan<byte> window, ReadOnlySpan<char> characters, int from, int limit)
    {
        if (_expression is not null)
        {
            return FindExpression(characters, from, limit);
        }

        int best = -1;
        int length = 0;
        foreach (byte[] needle in _needles)
        {
            // Search only as far as a match before the limit, or before the best match so far, can extend.
            int reach = Math.Min(window.Length, (best < 0 ? limit : best) + needle.Length - 1);
            int at = from < reach ? window[from..reach].IndexOf(needle) : -1;
            if (at >= 0)
            {
                best = from + at;
                length = needle.Length;
            }
        }

        return (best, length);
    }

    /// <summary>Whether <see cref="Find"/> uses the window's characters instead of its bytes.</summary>
    internal bool NeedsCharacters => _expression is not null;

    private (int Start, int Length) FindExpression(ReadOnlySpan<char> characters, int from, int limit)
    {
        try
        {
            foreach (ValueMatch match in _expression!.EnumerateMatches(characters, from))
            {
                if (match.Index >= limit)
                {
                    break;
                }

                if (match.Length > 0)
                {
                    return (match.Index, Math.Min(match.Length, MaximumExpressionMatch));
                }
            }
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new CracException(
                CracReason.TimedOut,
                $"The expression {_expression} exceeded the match timeout of {e.MatchTimeout.TotalSeconds} s in this memory because of backtracking.",
                "Write it without nested quantifiers, begin it with a rare text, or search for a text instead.",
                e);
        }

        return (-1, 0);
    }
}
