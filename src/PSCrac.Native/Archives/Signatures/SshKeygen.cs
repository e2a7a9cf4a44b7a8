using System.ComponentModel;
using System.Diagnostics;
using PSCrac.Images.Storage;

namespace PSCrac.Archives.Signatures;

/// <summary>Runs <c>ssh-keygen</c>, which makes and verifies the signatures.</summary>
internal static class SshKeygen
{
    private const string Program = "ssh-keygen";

    /// <summary>The namespace of PSCrac's signatures: a signature for another purpose does not count.</summary>
    internal const string Namespace = "pscrac";

    /// <summary>Runs it. It never asks for a passphrase: there may be no terminal.</summary>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="CracException">It is not installed (<see cref="CracReason.ProgramMissing"/>).</exception>
    internal static SshKeygenResult Run(IReadOnlyList<string> arguments, byte[] input, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(Find(), arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["LC_ALL"] = "C";
        start.Environment["PATH"] = FileTrust.SearchPath();

        // With these it asks this program instead of the terminal, and is told nothing (ssh(1), ENVIRONMENT).
        start.Environment["SSH_ASKPASS"] = "/bin/false";
        start.Environment["SSH_ASKPASS_REQUIRE"] = "force";
        Process program;
        try
        {
            program = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw Missing($"could not be run: {e.Message}", e);
        }

        using (program)
        using (cancellation.Register(program.Kill))
        {
            Task<string> output = program.StandardOutput.ReadToEndAsync(CancellationToken.None);
            Task<string> errors = program.StandardError.ReadToEndAsync(CancellationToken.None);
            try
            {
                program.StandardInput.BaseStream.Write(input);
                program.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended before it had read all; its exit code says why.
            }

            Task.WaitAll([output, errors], CancellationToken.None);
            program.WaitForExit();
            cancellation.ThrowIfCancellationRequested();
            return new SshKeygenResult(program.ExitCode, output.Result, errors.Result.Trim());
        }
    }

    // As root only in folders that nobody else may change.
    private static string Find()
    {
        string program = FileTrust.SearchPath().Split(':').Select(static folder => Path.Combine(folder, Program)).FirstOrDefault(File.Exists) ?? throw Missing("was not found", null);
        FileTrust.Require(program, $"The program {Program} at", "take its folder out of the PATH");
        return program;
    }

    private static CracException Missing(string why, Exception? inner) => new(
        CracReason.ProgramMissing, $"{Program}, which makes and verifies signatures, {why}.", "Install the package openssh-client (on Fedora and RHEL: openssh).", inner);
}

/// <summary>How ssh-keygen ended.</summary>
/// <param name="ExitCode">Its exit code; 0 for success.</param>
/// <param name="Output">Its standard output.</param>
/// <param name="Errors">Its standard error.</param>
internal sealed record SshKeygenResult(int ExitCode, string Output, string Errors);
