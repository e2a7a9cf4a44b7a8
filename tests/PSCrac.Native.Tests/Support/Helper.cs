using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Jvm;
using PSCrac.Moving;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Starting;
using PSCrac.Tests.Images;

namespace PSCrac.Tests.Support;

/// <summary>
/// The engine in a process of its own, for what cannot be tried inside the test host: another environment, no libcriu,
/// a terminal, a caller that is killed. This assembly is the program; what happened is told on its standard output.
/// </summary>
internal static class Helper
{
    /// <summary>The command line that runs the helper.</summary>
    internal static string[] Command(params string[] arguments) =>
        [Environment.ProcessPath is { } host && Path.GetFileName(host) == "dotnet" ? host : "dotnet", typeof(Helper).Assembly.Location, .. arguments];

    /// <summary>Runs the helper to its end.</summary>
    internal static (int ExitCode, string Output, string Error) Run(IReadOnlyDictionary<string, string?> environment, params string[] arguments) =>
        RunCommand(environment, Command(arguments));

    /// <summary>The same, from a copy in another folder: outside of the checkout, whose .tools are then not found.</summary>
    internal static (int ExitCode, string Output, string Error) RunFrom(
        string folder, IReadOnlyDictionary<string, string?> environment, params string[] arguments)
    {
        // Without the list of dependencies the host takes the folder as it is, which has what the helper needs.
        string here = Path.GetDirectoryName(typeof(Helper).Assembly.Location)!;
        string name = Path.GetFileNameWithoutExtension(typeof(Helper).Assembly.Location);
        foreach (string file in (string[])[$"{name}.dll", $"{name}.runtimeconfig.json", "PSCrac.Native.dll"])
        {
            File.Copy(Path.Combine(here, file), Path.Combine(folder, file));
        }

        return RunCommand(environment, [Environment.ProcessPath!, Path.Combine(folder, $"{name}.dll"), .. arguments]);
    }

    /// <summary>Runs a command line that begins with another program, which starts the helper, to its end.</summary>
    internal static (int ExitCode, string Output, string Error) RunCommand(IReadOnlyDictionary<string, string?> environment, string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string? value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, errors.Result);
    }

    /// <summary>The program's entry point.</summary>
    internal static int Main(string[] arguments)
    {
        try
        {
            switch (arguments)
            {
                case ["receive"]:
                    MoveReceiver.Run(3, 4);
                    return 0;
                case ["move", var moved, var withLazyPages, var pagesMilliseconds]:
                    // Tells each state and goes on when it is answered, so that it can be killed in it.
                    using (Move move = Move.Prepare(
                        new MoveRequest
                        {
                            ProcessId = int.Parse(moved),
                            Host = new MoveHost { HostName = "far" },
                            LazyPages = bool.Parse(withLazyPages),
                            PagesLimit = TimeSpan.FromMilliseconds(double.Parse(pagesMilliseconds, CultureInfo.InvariantCulture)),
                            Reached = static state =>
                            {
                                Console.WriteLine(state);
                                Console.ReadLine();
                            },
                        },
                        null,
                        CancellationToken.None))
                    {
                        Console.WriteLine($"end {move.Run(null, CancellationToken.None).State}");
                    }

                    return 0;
                case ["locate", .. var paths]:
                    var found = CriuInstallation.Locate(paths.ElementAtOrDefault(0), paths.ElementAtOrDefault(1));
                    Console.WriteLine($"found {found.CriuPath} {found.LibCriuPath}");
                    return 0;
                case ["checkpoint", var id, var image]:
                    CheckpointResult result = Checkpoint.Run(
                        new CheckpointRequest { ProcessId = int.Parse(id), ImagePath = image },
                        new Announcer());
                    foreach (string file in result.ConfigurationFiles)
                    {
                        Console.WriteLine($"configuration {file}");
                    }

                    Console.WriteLine($"checkpointed {result.Image.Path}");
                    return 0;
                case ["replace", var id, var image]:
                    Checkpoint.Run(new CheckpointRequest { ProcessId = int.Parse(id), ImagePath = image, Engine = CracEngineChoice.Jvm, Force = true });
                    Console.WriteLine($"replaced {image}");
                    return 0;
                case ["restore", var image, .. var how]:
                    using (CracRestoredProcess restored = Restore.Run(ToRestore(image, how), new Announcer(waits: how.Contains("Waiting"))))
                    {
                        Console.WriteLine($"restored {restored.Id}");
                        restored.WaitForExit(Timeout.InfiniteTimeSpan);
                    }

                    return 0;
                case ["start" or "or-restore" or "or-restore-anyway", var kind, var image, var condition, .. var command]:
                    StartResult start = StartOperation.Run(
                        new StartRequest
                        {
                            FilePath = command[0],
                            Arguments = command[1..],
                            PidNamespace = Enum.Parse<CracPidNamespace>(kind),
                            ImagePath = image.Length > 0 ? image : null,
                            OrRestore = arguments[0] != "start",
                            IgnoreChange = arguments[0] == "or-restore-anyway",
                            Ready = [new ReadyTest(() => File.Exists(condition), "a file is missing")],
                        },
                        new Announcer(),
                        static process => Console.WriteLine($"started {process.Id}"));
                    Console.WriteLine($"handed over {start.Process.Id}");
                    start.Process.WaitForExit(Timeout.InfiniteTimeSpan);
                    return 0;
                case ["trust", var file]:
                    FileTrust.Require(file, "The file", "give another");
                    return 0;
                case ["configuration"]:
                    CriuConfigFile.FindHome(out string? whyNot);
                    Console.WriteLine(string.Join('\n', CriuConfigFile.DefaultFiles().Append(whyNot)));
                    return 0;
                case ["environment"]:
                    foreach (CracCapability row in CriuEnvironment.Examine())
                    {
                        Console.WriteLine($"{row.Name} | {row.IsAvailable} | {row.Detail} | {row.RecommendedAction}");
                    }

                    return 0;
                case ["program", var name]:
                    Console.WriteLine($"{CriuPrograms.Find(name)}\n{CriuPrograms.SearchPath()}");
                    return 0;
                case ["open-beneath", var path, .. var files]:
                    OpenBeneath(path, files);
                    return 0;
                case ["mutate", var folder, var seed, var cases]:
                    return MutatedImages.Run(folder, int.Parse(seed), int.Parse(cases));
                case ["take", var megabytes]:
                    return MutatedImages.Take(int.Parse(megabytes));
                case ["count"]:
                    for (int number = 1; ; number++)
                    {
                        Console.WriteLine(number);
                        Thread.Sleep(20);
                    }

                default:
                    Console.Error.WriteLine("usage: locate [CRIU [LIBCRIU]] | checkpoint ID IMAGE | replace JVM IMAGE | restore IMAGE [Child | Lazy | New | Waiting | SCRIPT]... | trust FILE | environment | configuration | program NAME | (start | or-restore | or-restore-anyway) NAMESPACE IMAGE CONDITION COMMAND... | open-beneath FOLDER FILE... | mutate FOLDER SEED CASES | take MEGABYTES | count");
                    return 2;
            }
        }
        catch (CracException e)
        {
            Console.WriteLine($"failed {e.Reason}");
            Console.WriteLine(e.Message);
            Console.WriteLine(e.RecommendedAction);
            foreach (string line in e.CriuLines)
            {
                Console.WriteLine($"criu: {line}");
            }

            return 1;
        }
    }

    // What the system call itself answers, and each file's text, or why it is not opened.
    private static void OpenBeneath(string path, string[] files)
    {
        using FolderHandle folder = FolderHandle.TryOpen(path, out Errno errno)!;
        LibC.OpenBeneath(folder.Handle, ".", LibC.O_RDONLY, out errno).Dispose();
        Console.WriteLine($"openat2 {errno}");
        foreach (string name in files)
        {
            using SafeFileHandle file = folder.OpenToRead(name, out errno);
            Console.WriteLine(errno != 0 ? errno.ToString() : new StreamReader(new FileStream(file, FileAccess.Read)).ReadToEnd());
        }
    }

    private static RestoreRequest ToRestore(string image, string[] how) => new()
    {
        Image = CracImage.Open(image),
        AsChild = how.Contains("Child"),
        PidNamespace = how.Contains("New") ? CracPidNamespace.New : CracPidNamespace.Host,
        Options = new()
        {
            LazyPages = how.Contains("Lazy"),
            CriuOption = how.Where(Path.IsPathRooted).ToDictionary(static _ => "action-script", static script => (object?)script),
        },
    };

    // Not Progress<T>, which would report from other threads, later.
    private sealed class Announcer(bool waits = false) : IProgress<CracProgress>
    {
        public void Report(CracProgress value)
        {
            Console.WriteLine($"phase {value.Phase} {value.Bytes}");
            if (waits && value.Phase == CracPhase.Resuming)
            {
                Console.ReadLine();
            }
        }
    }
}
