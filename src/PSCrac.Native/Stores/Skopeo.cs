using System.ComponentModel;
using System.Diagnostics;
using PSCrac.Criu;

namespace PSCrac.Stores;

/// <summary>Runs <c>skopeo</c>, which moves artifacts between registries and layouts, with the user's own credentials, certificates and proxies.</summary>
internal static class Skopeo
{
    private const string Program = "skopeo";

    /// <summary>Runs it.</summary>
    /// <param name="name">The image or repository in the registry, for messages.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>What it printed.</returns>
    /// <exception cref="CracException"><see cref="CracReason.ProgramMissing"/>: it is not installed; otherwise why it failed.</exception>
    internal static byte[] Run(StoreName name, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        string path = CriuPrograms.Find(Program)
            ?? throw new CracException(CracReason.ProgramMissing, "skopeo, which reaches registries, is not installed.", CriuPrograms.DescribeInstallation(Program));
        var start = new ProcessStartInfo(path, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["LC_ALL"] = "C";
        Process program;
        try
        {
            program = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new CracException(CracReason.ProgramMissing, $"{path} could not be run: {e.Message}.", CriuPrograms.DescribeInstallation(Program), e);
        }

        using (program)
        using (cancellation.Register(program.Kill))
        {
            // It asks for nothing.
            program.StandardInput.Close();
            Task<string> errors = program.StandardError.ReadToEndAsync(CancellationToken.None);
            using var output = new MemoryStream();
            program.StandardOutput.BaseStream.CopyTo(output);
            string said = errors.GetAwaiter().GetResult();
            program.WaitForExit();
            cancellation.ThrowIfCancellationRequested();
            return program.ExitCode == 0 ? output.ToArray() : throw SkopeoFailure.Explain(name, said, program.ExitCode);
        }
    }
}
