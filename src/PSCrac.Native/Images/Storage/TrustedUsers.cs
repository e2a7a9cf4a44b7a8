using System.Globalization;
using PSCrac.Interop;

namespace PSCrac.Images.Storage;

/// <summary>The users whose files are trusted.</summary>
internal static class TrustedUsers
{
    /// <summary>
    /// Root, the caller and, under sudo, the user who called it: sudo(8) sets SUDO_UID, which is used
    /// only if the caller is root.
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
