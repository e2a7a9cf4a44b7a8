using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>Files of an overlay file system (overlayfs).</summary>
internal static class OverlayFile
{
    private const int HandleType = 0xf8; // OVL_FILEID_V1 of the kernel's fs/overlayfs/overlayfs.h
    private const int FlagsOffset = 6; // struct ovl_fh: three bytes of padding, version, magic, length, flags
    private const byte IsOfUpperLayer = 4; // OVL_FH_FLAG_PATH_UPPER

    /// <summary>
    /// Whether a file comes from a lower layer, by its handle. A file that was copied to the upper layer since counts as one, too.
    /// Null where the kernel does not tell (before 6.6).
    /// </summary>
    /// <param name="path">Its path, or a link to it below /proc.</param>
    internal static bool? ComesFromLowerLayer(string path) =>
        LibC.HandleOf(path) is (HandleType, { Length: > FlagsOffset } bytes) ? (bytes[FlagsOffset] & IsOfUpperLayer) == 0 : null;
}
