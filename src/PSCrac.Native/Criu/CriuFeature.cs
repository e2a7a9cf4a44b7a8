using System.Collections.Concurrent;

namespace PSCrac.Criu;

/// <summary>What a criu reports of itself and of this kernel (criu check --feature).</summary>
internal static class CriuFeature
{
    /// <summary>Memory that is stored compressed: criu 4.3 or later, built with LZ4.</summary>
    internal const string Compression = "compress";

    /// <summary>Why a criu cannot compress.</summary>
    internal const string WhyNotCompressed = "that needs criu 4.3 or later, built with LZ4.";

    /// <summary>What to do where it cannot.</summary>
    internal const string CompressionAction =
        "Leave out -Compress, or name a criu that can ('criu check --feature compress' says so) with -CriuPath or CRAC_CRIU_PATH. Debian's criu 4.3 is built without LZ4.";

    // What is supported stays so for the same criu on the same kernel; what is missing may become available.
    private static readonly ConcurrentDictionary<(string Path, DateTime Written, string Feature), bool> s_supported = new();

    /// <summary>Whether criu has a feature, by running it; null if there is no criu.</summary>
    /// <param name="criuPath">The criu to run; null to search for it.</param>
    /// <param name="feature">criu's name of the feature.</param>
    internal static bool? IsSupported(string? criuPath, string feature)
    {
        try
        {
            return IsSupported(CriuInstallation.Locate(criuPath), feature);
        }
        catch (CracException e) when (e.Reason is CracReason.CriuNotFound or CracReason.LibCriuNotFound or CracReason.CriuTooOld)
        {
            return null;
        }
    }

    /// <summary>Requires a criu that can compress memory.</summary>
    /// <param name="criuPath">The criu to use; null to search for it.</param>
    /// <exception cref="CracException"><see cref="CracReason.CriuFeatureMissing"/>: it cannot.</exception>
    internal static void RequireCompression(string? criuPath)
    {
        if (IsSupported(criuPath, Compression) == false)
        {
            throw new CracException(
                CracReason.CriuFeatureMissing, $"criu {CriuInstallation.Locate(criuPath).GetVersion()} cannot compress memory: {WhyNotCompressed}", CompressionAction);
        }
    }

    private static bool IsSupported(CriuInstallation criu, string feature)
    {
        var key = (criu.CriuPath, File.GetLastWriteTimeUtc(criu.CriuPath), feature);
        if (!s_supported.ContainsKey(key))
        {
            if (CriuEnvironment.RunCheck(criu, ["--feature", feature]).Code != 0)
            {
                return false;
            }

            s_supported[key] = true;
        }

        return true;
    }
}
