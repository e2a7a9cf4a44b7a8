using PSCrac.Criu;

namespace PSCrac.Tests.Support;

/// <summary>The machine's criu, which does something else for some arguments; the one that is found while this is not disposed.</summary>
internal class ChangedCriu : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string? _criu = Environment.GetEnvironmentVariable(CriuInstallation.CriuPathVariable);
    private readonly string? _library = Environment.GetEnvironmentVariable(CriuInstallation.LibCriuPathVariable);

    /// <summary>Makes it.</summary>
    /// <param name="exception">A pattern and its commands, as in a case of sh; matched with the arguments between blanks.</param>
    internal ChangedCriu(string exception)
    {
        string library = CriuInstallation.Locate().LibCriuPath;
        File.WriteAllText(Path, $"""
            #!/bin/sh
            case " $* " in
            {exception}
            esac
            exec '{CriuProgram.Path}' "$@"
            """);
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Environment.SetEnvironmentVariable(CriuInstallation.CriuPathVariable, Path);
        Environment.SetEnvironmentVariable(CriuInstallation.LibCriuPathVariable, library);
    }

    internal string Path => _folder.At("criu");

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(CriuInstallation.CriuPathVariable, _criu);
        Environment.SetEnvironmentVariable(CriuInstallation.LibCriuPathVariable, _library);
        _folder.Dispose();
    }
}
