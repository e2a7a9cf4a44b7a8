using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether this kernel and this criu are as new as those that the image was made with. Older ones may work.</summary>
internal sealed class VersionRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        if (Parse(subject.Image.CriuVersion) is { } made && subject.Options.CriuVersion is { } here && here < made)
        {
            subject.Warn(
                null,
                $"made by criu {made}, this is criu {here}",
                CracReason.CriuTooOld,
                "An older criu may not be able to read what a newer one has written.",
                $"Install criu {made} or later.");
        }

        if (Parse(subject.Image.Host?.Kernel) is { } kernel && kernel > System.Environment.OSVersion.Version)
        {
            subject.Warn(
                null,
                $"made on kernel {kernel}, this is {System.Environment.OSVersion.Version.ToString(2)}",
                CracReason.KernelFeatureMissing,
                "The processes may use kernel features that an older kernel does not have.",
                $"Restore it on kernel {kernel} or later.");
        }
    }

    /// <summary>The version at the start, such as 6.18.44 of 6.18.44-amd64; null if there is none.</summary>
    private static Version? Parse(string? text)
    {
        int end = 0;
        while (end < text?.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.'))
        {
            end++;
        }

        return text is not null && Version.TryParse(text.AsSpan(0, end).TrimEnd('.'), out Version? version) ? version : null;
    }
}
