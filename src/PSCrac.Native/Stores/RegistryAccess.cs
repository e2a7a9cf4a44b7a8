namespace PSCrac.Stores;

/// <summary>How a registry is reached, beyond what the user has set up for skopeo and podman.</summary>
internal sealed record RegistryAccess
{
    /// <summary>What is set up.</summary>
    internal static RegistryAccess Usual { get; } = new();

    /// <summary>The full path of a file of credentials (containers-auth.json(5)); null for the usual ones.</summary>
    internal string? AuthFile { get; init; }

    /// <summary>The full path of a folder of certificates (containers-certs.d(5)); null for the usual ones.</summary>
    internal string? CertificateDirectory { get; init; }

    /// <summary>Whether plain HTTP, and any certificate, are accepted.</summary>
    internal bool SkipTlsCheck { get; init; }

    /// <summary>The options of skopeo.</summary>
    /// <param name="side">What the names of options begin with where there are two sides: "src-" or "dest-"; empty otherwise.</param>
    internal IEnumerable<string> Options(string side)
    {
        if (AuthFile is not null)
        {
            yield return $"--{side}authfile={AuthFile}";
        }

        if (CertificateDirectory is not null)
        {
            yield return $"--{side}cert-dir={CertificateDirectory}";
        }

        if (SkipTlsCheck)
        {
            yield return $"--{side}tls-verify=false";
        }
    }
}
