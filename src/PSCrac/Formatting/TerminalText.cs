using System.Globalization;
using System.Text;

namespace PSCrac.Formatting;

/// <summary>
/// Text for a terminal. What an image or a process says of itself may hold control characters, which a terminal obeys, and
/// bidirectional ones, which show it in another order: both are shown as their escapes. The objects keep the real values.
/// </summary>
internal static class TerminalText
{
    /// <summary>Replaces control and bidirectional characters by escapes such as <c>\x1b</c> and <c>\u202e</c>.</summary>
    /// <param name="text">The text; null for none.</param>
    /// <param name="keepsLines">Whether line feeds stay, for text of several lines.</param>
    internal static string Escape(string? text, bool keepsLines = false)
    {
        if (text is null)
        {
            return "";
        }

        int first = 0;
        while (first < text.Length && !IsEscaped(text[first], keepsLines))
        {
            first++;
        }

        if (first == text.Length)
        {
            return text;
        }

        var escaped = new StringBuilder(text, 0, first, text.Length + 16);
        foreach (char c in text.AsSpan(first))
        {
            if (!IsEscaped(c, keepsLines))
            {
                escaped.Append(c);
            }
            else if (c < 0x100)
            {
                escaped.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}");
            }
            else
            {
                escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
        }

        return escaped.ToString();
    }

    // The bidirectional controls of Unicode's UAX #9, and the two separators that end a line or a paragraph.
    private static bool IsEscaped(char c, bool keepsLines) =>
        char.IsControl(c) ? c != '\n' || !keepsLines : c is '\u061c' or '\u200e' or '\u200f' or (>= '\u2028' and <= '\u202e') or (>= '\u2066' and <= '\u2069');
}
