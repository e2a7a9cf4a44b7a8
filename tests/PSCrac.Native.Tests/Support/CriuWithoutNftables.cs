namespace PSCrac.Tests.Support;

/// <summary>
/// The machine's criu, which answers its own check as one does that was built without libnftables, or runs on a kernel without
/// nf_tables: no.
/// </summary>
internal sealed class CriuWithoutNftables() : ChangedCriu("""
    *" network_lock_nftables "*)
        echo "Warn: Nftables based locking requires libnftables and set concatenations support" >&2
        exit 1
    """);
