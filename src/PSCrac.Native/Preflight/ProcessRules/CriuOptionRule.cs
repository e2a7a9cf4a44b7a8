using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Options that this criu does not have: of a later version, or left out when it was built.</summary>
internal sealed class CriuOptionRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        bool compresses = false;
        foreach (OptionRow row in OptionTable.Rows)
        {
            if (row.Since is null || !subject.Options.Has(row.Name))
            {
                continue;
            }

            compresses |= row.Name.StartsWith(OptionTable.Compress.Name, StringComparison.Ordinal);
            if (FindVersion(subject.Environment.CriuPath) is { } version && version < row.Since)
            {
                subject.Block(
                    null,
                    $"the option {row.Name}",
                    CracReason.CriuFeatureMissing,
                    $"criu {row.Since} has it, and this is criu {version}.",
                    compresses ? CriuFeature.CompressionAction : $"Leave out {row.Spelling()}, or name a later criu with -CriuPath or {CriuInstallation.CriuPathVariable}.");
                return;
            }
        }

        if (compresses && CriuFeature.IsSupported(subject.Environment.CriuPath, CriuFeature.Compression) == false)
        {
            subject.Block(
                null,
                "memory that is to be compressed",
                CracReason.CriuFeatureMissing,
                $"This criu cannot compress it: {CriuFeature.WhyNotCompressed}",
                CriuFeature.CompressionAction);
        }
    }

    private static Version? FindVersion(string? criuPath)
    {
        try
        {
            return CriuInstallation.Locate(criuPath).GetVersion();
        }
        catch (CracException e) when (e.Reason is CracReason.CriuNotFound or CracReason.LibCriuNotFound or CracReason.CriuTooOld)
        {
            return null;
        }
    }
}
