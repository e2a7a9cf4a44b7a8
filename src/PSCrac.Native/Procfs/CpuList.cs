using System.Globalization;
using System.Text;

namespace PSCrac.Procfs;

/// <summary>Sets of CPUs in the kernel's list format, such as "0-3,8" (cpuset(7), List format).</summary>
internal static class CpuList
{
    /// <summary>The list of a mask, a bit a CPU, the lowest first.</summary>
    internal static string Format(ReadOnlySpan<byte> mask)
    {
        var text = new StringBuilder();
        int count = mask.Length * 8;
        for (int first = 0; first < count; first++)
        {
            if (!IsSet(mask, first))
            {
                continue;
            }

            int last = first;
            while (last + 1 < count && IsSet(mask, last + 1))
            {
                last++;
            }

            text.Append(text.Length == 0 ? "" : ",").Append(CultureInfo.InvariantCulture, $"{first}");
            if (last > first)
            {
                text.Append(CultureInfo.InvariantCulture, $"-{last}");
            }

            first = last;
        }

        return text.ToString();
    }

    /// <summary>Sets the bits of a list in a mask, which is cleared first.</summary>
    /// <returns>Whether the text is a list, and none of its CPUs is beyond the mask.</returns>
    internal static bool TryParse(ReadOnlySpan<char> list, Span<byte> mask)
    {
        mask.Clear();
        foreach (Range part in list.Split(','))
        {
            ReadOnlySpan<char> range = list[part];
            int dash = range.IndexOf('-');
            if (!int.TryParse(dash < 0 ? range : range[..dash], NumberStyles.None, CultureInfo.InvariantCulture, out int first))
            {
                return false;
            }

            int last = first;
            if ((dash >= 0 && !int.TryParse(range[(dash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out last)) || last < first || last >= mask.Length * 8)
            {
                return false;
            }

            for (int cpu = first; cpu <= last; cpu++)
            {
                mask[cpu / 8] |= (byte)(1 << (cpu % 8));
            }
        }

        return true;
    }

    private static bool IsSet(ReadOnlySpan<byte> mask, int cpu) => (mask[cpu / 8] & (1 << (cpu % 8))) != 0;
}
