using System.Diagnostics;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Images;

/// <summary>A program that was started, dumped by criu into a folder of its own, and has ended. The folder is removed with the test.</summary>
internal sealed class DumpedProcess : IDisposable
{
    // Descriptors of whatever runs the tests would be in the image, or stop the dump.
    private const string Clean =
        "for f in /proc/$$/fd/*; do n=${f##*/}; if [ $n -gt 2 ]; then eval \"exec $n>&-\"; fi; done; exec setsid \"$@\" </dev/null >/dev/null 2>&1";

    private DumpedProcess(string path, int processId)
    {
        Path = path;
        ProcessId = processId;
    }

    /// <summary>The image's directory.</summary>
    internal string Path { get; }

    internal int ProcessId { get; }

    /// <summary>Starts a shell script, waits until it has made the file $READY, and dumps it.</summary>
    internal static DumpedProcess OfScript(string script, params string[] options) => Of(["/bin/bash", "-c", script], options);

    /// <summary>Starts a program, waits until it has made the file named in $READY, and dumps it.</summary>
    internal static DumpedProcess Of(string[] command, params string[] options)
    {
        string path = Directory.CreateTempSubdirectory("pscrac-image-").FullName;
        string ready = System.IO.Path.Combine(path, "ready");
        var start = new ProcessStartInfo("/bin/bash", ["-c", Clean, "bash", .. command])
        {
            Environment = { ["READY"] = ready },
            WorkingDirectory = "/",
        };
        using Process process = Process.Start(start)!;
        try
        {
            WaitFor(ready, process);
            string image = System.IO.Path.Combine(path, "image");
            Directory.CreateDirectory(image);
            (int code, string error) = CriuProgram.Run(["dump", "-t", $"{process.Id}", "-D", image, "-o", "dump.log", "-v4", .. options]);
            if (code != 0)
            {
                string log = File.Exists(image + "/dump.log") ? string.Join('\n', File.ReadLines(image + "/dump.log").Where(l => l.Contains("Error"))) : "";
                throw new InvalidOperationException($"criu could not dump {command[0]}: {error}\n{log}");
            }

            return new DumpedProcess(image, process.Id);
        }
        catch
        {
            Directory.Delete(path, recursive: true);
            throw;
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

    public void Dispose() => Directory.Delete(System.IO.Path.GetDirectoryName(Path)!, recursive: true);

    private static void WaitFor(string ready, Process process)
    {
        var clock = Stopwatch.StartNew();
        while (!File.Exists(ready))
        {
            if (process.HasExited || clock.Elapsed > TimeSpan.FromSeconds(30))
            {
                throw new InvalidOperationException($"the program to be dumped did not get ready (ended: {process.HasExited})");
            }

            Thread.Sleep(5);
        }
    }
}
