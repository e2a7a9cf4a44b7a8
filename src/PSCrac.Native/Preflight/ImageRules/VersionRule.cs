using PSCrac.Criu;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// Whether this criu can read the image, and whether this kernel and this criu are as new as those that it was made with. Older ones
/// may work.
/// </summary>
internal sealed class VersionRule : ImageRule
{
    private static readonly Version s_withCompression = new(4, 3);

    internal override void Examine(ImageSubject subject)
    {
        ExamineFormat(subject);
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

    // criu refuses what it does not know (check_img_inventory in its image.c).
    private static void ExamineFormat(ImageSubject subject)
    {
        const string Elsewhere = "with -CriuPath or CRAC_CRIU_PATH.";
        if (subject.Image.FormatVersion > ImageInventory.VersionWithoutCompression && subject.Options.CriuVersion < s_withCompression)
        {
            subject.Block(
                null,
                $"an image of format version {subject.Image.FormatVersion}, and criu {subject.Options.CriuVersion}",
                CracReason.ImageTooNew,
                $"criu before {s_withCompression} does not restore it.",
                $"Name criu {s_withCompression} or later {Elsewhere}");
        }
        else if (IsCompressed(subject.Image) && CriuFeature.IsSupported(subject.Environment.CriuPath, CriuFeature.Compression) == false)
        {
            subject.Block(
                null,
                "an image with compressed memory",
                CracReason.CriuFeatureMissing,
                "This criu was built without LZ4, and cannot decompress it.",
                $"Name a criu that was built with LZ4 ('criu check --feature compress' says so) {Elsewhere}");
        }
    }

    private static bool IsCompressed(CracImage image)
    {
        foreach (ImageSource each in image.Source.Chain)
        {
            if (ImageInventory.Read(each) is { IsCompressed: true })
            {
                return true;
            }
        }

        return false;
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
