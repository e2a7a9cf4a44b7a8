using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

/// <summary>libcriu's criu_opts.</summary>
internal sealed class CriuOptionsHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private CriuOptionsHandle(nint options)
        : base(ownsHandle: true) => SetHandle(options);

    /// <summary>Allocates options with default values. libcriu must be loaded.</summary>
    /// <exception cref="InsufficientMemoryException">libcriu could not allocate memory, the only failure here.</exception>
    internal static CriuOptionsHandle Create()
    {
        // libcriu frees the previous value, so it must be null.
        nint options = 0;
        if (LibCriu.criu_local_init_opts(ref options) != 0)
        {
            throw new InsufficientMemoryException();
        }

        return new CriuOptionsHandle(options);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibCriu.criu_local_free_opts(handle);
        return true;
    }
}
