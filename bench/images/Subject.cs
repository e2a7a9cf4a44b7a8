using System.Diagnostics;

namespace PSCrac.Bench;

/// <summary>Makes the images to be measured: starts a program, waits until it is ready, has criu dump it.</summary>
internal static class Subject
{
    /// <summary>Closes what the shell inherited: a descriptor of whoever runs the bench would be in the image.</summary>
    private const string Clean =
        "for f in /proc/$$/fd/*; do n=${f##*/}; if [ $n -gt 2 ]; then eval \"exec $n>&-\"; fi; done; exec setsid \"$@\" </dev/null >/dev/null 2>&1";

    /// <summary>Dumps a program that makes the file named in READY when it is ready; the program is gone then.</summary>
    internal static string Dump(string folder, string name, params string[] command)
    {
        string ready = Path.Combine(folder, name + ".ready");
        string image = Path.Combine(folder, name);
        Directory.CreateDirectory(image);
        var start = new ProcessStartInfo("/bin/bash", ["-c", Clean, "bash", .. command]) { Environment = { ["READY"] = ready } };
        using Process process = Process.Start(start)!;
        try
        {
            while (!File.Exists(ready))
            {
                if (process.HasExited)
                {
                    throw new InvalidOperationException($"{command[0]} ended before it was ready");
                }

                Thread.Sleep(20);
            }

            (int code, _) = Run(Find("criu"), "dump", "-t", $"{process.Id}", "-D", image, "-o", "dump.log");
            return code == 0 ? image : throw new InvalidOperationException($"criu could not dump {name}: see {image}/dump.log");
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }

            process.WaitForExit();
        }
    }

    /// <summary>Runs a program to its end, throwing its output away, and returns its exit code and the wall time.</summary>
    internal static (int Code, TimeSpan Time) Run(string program, params string[] arguments)
    {
        var clock = Stopwatch.StartNew();
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >/dev/null 2>&1", "sh", program, .. arguments]);
        start.Environment.Remove("CRIU_CONFIG_FILE");
        using Process process = Process.Start(start)!;
        process.WaitForExit();
        return (process.ExitCode, clock.Elapsed);
    }

    /// <summary>The staged module; null where it, or a pwsh to load it, is missing.</summary>
    internal static string? FindModule()
    {
        bool hasShell = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "pwsh")));
        for (string? folder = AppContext.BaseDirectory; hasShell && folder is not null; folder = Path.GetDirectoryName(folder))
        {
            string module = Path.Combine(folder, "out", "PSCrac", "PSCrac.psd1");
            if (File.Exists(module))
            {
                return module;
            }
        }

        return null;
    }

    /// <summary>Finds a program in the checkout's .tools, else leaves it to the PATH.</summary>
    internal static string Find(string program)
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            string own = Path.Combine(folder, ".tools", program, "bin", program);
            if (File.Exists(own))
            {
                return own;
            }
        }

        return program;
    }
}
