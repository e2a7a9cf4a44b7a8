using System.Diagnostics;

namespace PSCrac.Tests.Support;

/// <summary>The criu that tests use: CRAC_CRIU_PATH, else the checkout's .tools/criu, else the PATH's.</summary>
internal static class CriuProgram
{
    /// <summary>The checkout's root: the nearest folder above the tests with the solution in it; null where there is none.</summary>
    internal static readonly string? Root = FindRoot();

    /// <summary>criu's path; null where there is none.</summary>
    internal static readonly string? Path = FindCriu();

    /// <summary>The checkout's libcriu; null where it has none, and the loader's is used.</summary>
    internal static readonly string? LibCriu =
        Root is not null && System.IO.Path.Combine(Root, ".tools", "criu", "lib", "libcriu.so.2") is var library && File.Exists(library) ? library : null;

    /// <summary>Why criu cannot be used; null where it can.</summary>
    internal static string? WhyNot =>
        Path is null ? "there is no criu" : Environment.UserName != "root" ? "criu needs root" : null;

    /// <summary>Runs criu to its end and returns its exit code and standard error.</summary>
    internal static (int ExitCode, string Error) Run(params string[] arguments) => RunProgram(Path!, arguments);

    /// <summary>Runs the shell's kill: as a program of its own it is not on every machine.</summary>
    internal static (int ExitCode, string Error) Kill(params string[] arguments) => RunProgram("sh", ["-c", "kill \"$@\"", "sh", .. arguments]);

    internal static (int ExitCode, string Error) RunProgram(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment.Remove("CRIU_CONFIG_FILE");
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        output.Wait();
        return (process.ExitCode, error);
    }

    /// <summary>Finds a program in the checkout's .tools, else on the PATH; null where it is in neither.</summary>
    internal static string? Find(string program)
    {
        if (Root is not null && System.IO.Path.Combine(Root, ".tools", program, "bin", program) is var own && File.Exists(own))
        {
            return own;
        }

        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string candidate = System.IO.Path.Combine(folder, program);
            if (File.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }

    private static string? FindCriu() =>
        Environment.GetEnvironmentVariable("CRAC_CRIU_PATH") is { Length: > 0 } named ? named : Find("criu");

    private static string? FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder, "PSCrac.slnx")))
        {
            folder = System.IO.Path.GetDirectoryName(folder);
        }

        return folder;
    }
}
