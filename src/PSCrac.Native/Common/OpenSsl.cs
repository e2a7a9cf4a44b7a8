using System.Runtime.InteropServices;

namespace PSCrac.Common;

/// <summary>
/// OpenSSL, which the runtime's cryptography and TLS load at their first use; where there is none, they end the process. A container for
/// one program often has none.
/// </summary>
internal static class OpenSsl
{
    private static readonly Lazy<bool> s_isAvailable = new(Find);

    /// <summary>Whether there is one.</summary>
    internal static bool IsAvailable => s_isAvailable.Value;

    // The names that the runtime tries (opensslshim.c).
    private static bool Find()
    {
        string? named = Environment.GetEnvironmentVariable("CLR_OPENSSL_VERSION_OVERRIDE");
        string[] versions = [.. named is null ? (string[])[] : [named], "3", "1.1"];
        return Array.Exists(versions, static version => NativeLibrary.TryLoad($"libssl.so.{version}", out _));
    }
}
