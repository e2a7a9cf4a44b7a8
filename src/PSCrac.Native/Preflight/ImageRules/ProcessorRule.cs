using System.Runtime.InteropServices;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// Whether this processor has the instructions that the programs may have selected when they started. Flags of kernel features or
/// power management are ignored.
/// </summary>
internal sealed class ProcessorRule : ImageRule
{
    private const int Shown = 6;

    private static readonly string[] s_instructions =
    [
        "sse", "ssse", "avx", "amx", "fma", "aes", "vaes", "pclmulqdq", "vpclmulqdq", "sha", "bmi", "adx", "popcnt", "movbe", "rdrand", "rdseed",
        "f16c", "gfni", "lzcnt", "abm", "cx16", "xsave", "fsgsbase", "rdtscp", "lahf", "clwb", "clflushopt", "pku", "asimd", "sve", "sme", "crc32", "atomics", "pmull",
    ];

    internal override void Examine(ImageSubject subject)
    {
        string here = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
        string? there = subject.Image.Host?.Architecture;
        if (there is not null && !IsSameArchitecture(there, here))
        {
            subject.Block(
                null,
                $"made on {there}, this is {here}",
                CracReason.CpuIncompatible,
                "The processes' memory holds machine code for one architecture.",
                $"Restore it on a machine with a {there} processor.");
            return;
        }

        IReadOnlyList<string> needed = subject.Image.CpuFeatures;
        if (needed.Count == 0)
        {
            return;
        }

        List<string> missing = FindMissing(needed);
        if (missing.Count > 0)
        {
            string more = missing.Count > Shown ? $" and {missing.Count - Shown} more" : "";
            subject.Block(
                null,
                $"this processor has no {string.Join(", ", missing.Take(Shown))}{more}",
                CracReason.CpuIncompatible,
                "The processor that the image was made on has them, and programs choose their code by these features when they start.",
                "Restore it on a processor that has them, or make the checkpoint on a processor like this one.");
        }
    }

    /// <summary>The instructions among a processor's features that this one does not have.</summary>
    internal static List<string> FindMissing(IReadOnlyList<string> needed)
    {
        var present = new HashSet<string>(ProcessorFeatures.Read(), StringComparer.Ordinal);
        var missing = new List<string>();
        foreach (string feature in needed)
        {
            if (!present.Contains(feature) && IsInstruction(feature))
            {
                missing.Add(feature);
            }
        }

        return missing;
    }

    private static bool IsSameArchitecture(string first, string second) => Normalize(first) == Normalize(second);

    private static string Normalize(string architecture) => architecture switch
    {
        "x86_64" or "amd64" => "x64",
        "aarch64" => "arm64",
        _ => architecture,
    };

    private static bool IsInstruction(string feature)
    {
        foreach (string start in s_instructions)
        {
            if (feature.StartsWith(start, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
