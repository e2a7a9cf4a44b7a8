using System.Globalization;
using PSCrac.Interop;

namespace PSCrac.Images.Storage;

/// <summary>Whose files are as good as one's own.</summary>
internal static class TrustedUsers
{
    /// <summary>
    /// Root, the caller and, behind sudo, the user who called it: sudo(8) names that user in SUDO_UID, which is believed
    /// of root's environment only.
    /// </summary>
    internal static int[] Read()
    {
        int own = (int)LibC.GetEffectiveUserId();
        if (own != 0)
        {
            return [0, own];
        }

        bool isBehindSudo = int.TryParse(Environment.GetEnvironmentVariable("SUDO_UID"), NumberStyles.None, CultureInfo.InvariantCulture, out int caller) && caller > 0;
        return isBehindSudo ? [0, caller] : [0];
    }
}
