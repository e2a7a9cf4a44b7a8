using PSCrac.Criu;

namespace PSCrac.Tests.Support;

/// <summary>
/// The machine's criu, which answers its own check as one does that was built without libnftables, or runs on a kernel without
/// nf_tables: no.
/// </summary>
internal sealed class CriuWithoutNftables : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string? _criu = Environment.GetEnvironmentVariable(CriuInstallation.CriuPathVariable);
    private readonly string? _library = Environment.GetEnvironmentVariable(CriuInstallation.LibCriuPathVariable);

    internal CriuWithoutNftables()
    {
        string library = CriuInstallation.Locate().LibCriuPath;
        string script = _folder.At("criu");
        File.WriteAllText(script, $"""
            #!/bin/sh
            case " $* " in *" network_lock_nftables "*)
                echo "Warn: Nftables based locking requires libnftables and set concatenations support" >&2
                exit 1
            esac
            exec '{CriuProgram.Path}' "$@"
            """);
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Environment.SetEnvironmentVariable(CriuInstallation.CriuPathVariable, script);
        Environment.SetEnvironmentVariable(CriuInstallation.LibCriuPathVariable, library);
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(CriuInstallation.CriuPathVariable, _criu);
        Environment.SetEnvironmentVariable(CriuInstallation.LibCriuPathVariable, _library);
        _folder.Dispose();
    }
}
