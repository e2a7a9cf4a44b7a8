namespace PSCrac.Tests.Support;

/// <summary>The Python interpreter itself rather than a launcher that would start it.</summary>
internal static class PythonProgram
{
    /// <summary>Its path; null where there is none.</summary>
    internal static readonly string? Path = Find();

    private static string? Find()
    {
        try
        {
            using var start = System.Diagnostics.Process.Start(
                new System.Diagnostics.ProcessStartInfo("python3", ["-c", "import sys; print(sys.executable)"]) { RedirectStandardOutput = true })!;
            string path = start.StandardOutput.ReadToEnd().Trim();
            start.WaitForExit();
            return start.ExitCode == 0 ? path : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
