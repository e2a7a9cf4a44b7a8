using System.Buffers.Binary;
using PSCrac.Images.Format;

namespace PSCrac.CoreDumps;

/// <summary>
/// The note NT_X86_XSTATE: what xsave stores, in the standard layout, which debuggers expect. criu keeps one field for each feature. The
/// size of the note is that of the last feature, from which debuggers guess the layout.
/// </summary>
internal static class ExtendedState
{
    private const int FloatingSize = 512;
    private const int FeaturesOffset = 464; // XCR0, where the kernel puts it for debuggers
    private const int InUseOffset = 512; // xstate_bv
    private const int HeaderEnd = 576;
    private const ulong X87AndSse = 3;

    // Intel's manual, volume 1, chapter 13: the bit in XCR0, and where the state is.
    private static readonly ulong[] s_features = [0, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 9];

    private static readonly RegisterRow[] s_rows =
    [
        new(Wire.UserX86XsaveEntry.XstateBv, InUseOffset, 8),
        new(Wire.UserX86XsaveEntry.YmmhSpace, 576, 4, 64),
        new(Wire.UserX86XsaveEntry.BndregState, 960, 8, 8),
        new(Wire.UserX86XsaveEntry.BndcsrState, 1024, 8, 8),
        new(Wire.UserX86XsaveEntry.OpmaskReg, 1088, 8, 8),
        new(Wire.UserX86XsaveEntry.ZmmUpper, 1152, 8, 64),
        new(Wire.UserX86XsaveEntry.Hi16Zmm, 1664, 8, 128),
        new(Wire.UserX86XsaveEntry.Pkru, 2688, 4, 2),
    ];

    /// <summary>Makes the note.</summary>
    /// <param name="xsave">criu's message.</param>
    /// <param name="floating">The content of the note with the floating-point registers.</param>
    internal static byte[] Create(ProtobufReader xsave, ReadOnlySpan<byte> floating)
    {
        byte[] state = new byte[s_rows[^1].End];
        floating[..FloatingSize].CopyTo(state);
        uint found = RegisterRow.Copy(xsave, s_rows, state);
        ulong features = X87AndSse;
        int end = HeaderEnd;
        for (int i = 1; i < s_rows.Length; i++)
        {
            if ((found & (1u << i)) != 0)
            {
                features |= s_features[i];
                end = s_rows[i].End;
            }
        }

        BinaryPrimitives.WriteUInt64LittleEndian(state.AsSpan(FeaturesOffset), features);
        return state[..end];
    }
}
