using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace PSCrac.Images.Operations;

/// <summary>What to search memory for: texts or bytes, or a regular expression.</summary>
internal sealed class MemoryPattern
{
    /// <summary>The longest match of a regular expression, in bytes; longer ones are cut there or missed.</summary>
    internal const int LongestExpressionMatch = 4096;

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

        Overlap = expression is null ? Overlap : LongestExpressionMatch;
    }

    /// <summary>How far into the next window a match may reach that begins in this one.</summary>
    internal int Overlap { get; }

    /// <summary>Searches for bytes.</summary>
    /// <param name="bytes">At least one, at most 65,536.</param>
    /// <exception cref="ArgumentException">There are none, or too many.</exception>
    internal static MemoryPattern FromBytes(params ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length is 0 or > 65536)
        {
            throw new ArgumentException("A pattern has from 1 to 65,536 bytes.", nameof(bytes));
        }

        return new MemoryPattern([bytes.ToArray()], null);
    }

    /// <summary>Searches for a text, as UTF-8, and also as UTF-16, the form in which .NET, Java and JavaScript keep many strings.</summary>
    /// <param name="text">Not empty.</param>
    /// <param name="alsoUtf16">Whether to look for UTF-16 (little endian) too.</param>
    /// <exception cref="ArgumentException">The text is empty, or longer than 16,384 characters.</exception>
    internal static MemoryPattern FromString(string text, bool alsoUtf16 = false)
    {
        if (text.Length is 0 or > 16384)
        {
            throw new ArgumentException("A pattern has from 1 to 16,384 characters.", nameof(text));
        }

        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return new MemoryPattern(alsoUtf16 ? [utf8, Encoding.Unicode.GetBytes(text)] : [utf8], null);
    }

    /// <summary>
    /// Searches for a regular expression. Memory is matched byte for byte as Latin-1: a letter outside ASCII matches its
    /// Latin-1 byte, not its UTF-8 form. A match may have up to <see cref="LongestExpressionMatch"/> bytes.
    /// </summary>
    /// <param name="expression">
    /// One that matches at least one character. Memory holds anything: an expression that may backtrack for long should have
    /// a timeout, or RegexOptions.NonBacktracking.
    /// </param>
    internal static MemoryPattern FromExpression(Regex expression) => new([], expression);

    /// <summary>Finds the first match at or behind a place in a window; a match that begins behind the limit is not wanted.</summary>
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
            // Only as far as a match that is wanted can reach, and no further than the best one so far.
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

    /// <summary>Whether <see cref="Find"/> looks at the window's characters instead of at its bytes.</summary>
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
                    return (match.Index, Math.Min(match.Length, LongestExpressionMatch));
                }
            }
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new CracException(
                CracReason.TimedOut,
                $"The expression {_expression} backtracks too long in this memory: more than {e.MatchTimeout.TotalSeconds} s at a stretch.",
                "Write it without repeats inside repeats, or begin it with what is rare; or search for a text first.",
                e);
        }

        return (-1, 0);
    }
}
