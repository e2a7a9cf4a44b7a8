using System.Collections;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Starting;

/// <summary>
/// Starts a program so that nothing of this session clings to it: a session of its own, no terminal, no descriptors but
/// the three standard ones, no signal ignored or blocked.
/// </summary>
internal sealed class Launcher
{
    // Sources of dup2 must not be among its targets, or one would overwrite the next.
    private const int LowestSource = 10;

    // A shell with a pid below this is one of few processes: a container's, whose pids repeat from run to run.
    private const int LowOwnId = 1000;
    private const int DefaultMinimumId = 10_000;
    private const string LastPidPath = "/proc/sys/kernel/ns_last_pid";
    private static readonly int[] AllSignals = [.. Enumerable.Range(1, 31)];

    private readonly StartRequest _request;
    private readonly List<string> _decisions;

    private Launcher(StartRequest request, List<string> decisions)
    {
        _request = request;
        _decisions = decisions;
    }

    /// <summary>Starts the program.</summary>
    /// <param name="request">What and how.</param>
    /// <param name="decisions">Gets a sentence for each thing that was decided.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ProgramNotStarted"/>, or <see cref="CracReason.PermissionDenied"/> for a pid that may not be chosen.
    /// </exception>
    internal static CracStartedProcess Launch(StartRequest request, List<string> decisions) => new Launcher(request, decisions).Launch();

    private CracStartedProcess Launch()
    {
        string path = ProgramPath.Find(_request.FilePath);
        string command = string.Join(' ', [_request.FilePath, .. _request.Arguments]);
        string? directory = _request.WorkingDirectory;
        if (directory is not null && !Directory.Exists(directory))
        {
            throw new CracException(CracReason.ProgramNotStarted, $"There is no folder {directory} for the program to start in.", "Correct -WorkingDirectory.");
        }

        var files = new Dictionary<string, OutputFile>(StringComparer.Ordinal);
        foreach (string? output in (string?[])[_request.StandardOutputPath, _request.StandardErrorPath])
        {
            if (output is not null && files.TryAdd(output, new OutputFile(output)))
            {
                files[output].SkipToEnd();
            }
        }

        RaiseLastPid();
        ChildProcess child = Spawn(path, directory);
        return new CracStartedProcess(child, command, isRestored: false)
        {
            StandardOutputPath = _request.StandardOutputPath,
            StandardErrorPath = _request.StandardErrorPath,
            Output = [.. files.Values],
        };
    }

    private ChildProcess Spawn(string path, string? directory)
    {
        using SafeFileHandle input = Open(_request.StandardInputPath, LibC.O_RDONLY, "-StandardInputPath");
        using SafeFileHandle output = OpenOutput(_request.StandardOutputPath, "-StandardOutputPath");
        bool isShared = _request.StandardErrorPath is not null && _request.StandardErrorPath == _request.StandardOutputPath;
        using SafeFileHandle? error = isShared ? null : OpenOutput(_request.StandardErrorPath, "-StandardErrorPath");
        int errno = LibC.Spawn(
            path,
            [_request.FilePath, .. OwnArguments(path), .. _request.Arguments],
            ComposeEnvironment(),
            [(input, 0), (output, 1), (error ?? output, 2)],
            blockedSignals: [],
            defaultSignals: AllSignals,
            out int pid,
            ownSession: true,
            directory,
            closed: OwnDescriptors());
        return errno == 0 ? ChildProcess.Adopt(pid) : throw NotStarted(errno);
    }

    // A JVM keeps a file of its performance data open in /tmp, named after its pid, which it removes when it ends and which
    // every other JVM removes that starts while it does not run: no image could then be restored. A -XX:+UsePerfData
    // among the caller's arguments comes later, and wins.
    private string[] OwnArguments(string path)
    {
        if (Path.GetFileName(path) != "java")
        {
            return [];
        }

        _decisions.Add("-XX:-UsePerfData was put before the arguments of java: its file in /tmp does not last until a restore.");
        return ["-XX:-UsePerfData"];
    }

    private static SafeFileHandle OpenOutput(string? path, string parameter) =>
        // criu does not hold the size of a file that is only appended to against a restore.
        Open(path, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_APPEND, parameter);

    private static SafeFileHandle Open(string? path, int flags, string parameter)
    {
        const uint Mode = 0x1A4; // 0644, less the umask
        SafeFileHandle opened = LibC.OpenAt(null, path ?? "/dev/null", flags | LibC.O_NOCTTY, out int errno, Mode);
        using (opened)
        {
            if (errno != 0)
            {
                throw new CracException(
                    CracReason.ProgramNotStarted, $"{path} cannot be opened for the program: {LibC.Message(errno)}.", $"Correct {parameter}.");
            }

            return LibC.Duplicate(opened, LowestSource, out _);
        }
    }

    private List<string> ComposeEnvironment()
    {
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            variables[(string)variable.Key] = (string?)variable.Value ?? string.Empty;
        }

        foreach ((string name, string? value) in _request.Environment)
        {
            if (value is null)
            {
                variables.Remove(name);
            }
            else
            {
                variables[name] = value;
            }
        }

        return [.. variables.Select(static variable => $"{variable.Key}={variable.Value}")];
    }

    // What .NET opens is closed by the exec anyway; what this process was given by its own parent may not be.
    private static List<int> OwnDescriptors()
    {
        const int LastStandard = 2;
        var numbers = new List<int>();
        foreach (string entry in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            if (int.TryParse(Path.GetFileName(entry), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > LastStandard)
            {
                numbers.Add(number);
            }
        }

        return numbers;
    }

    private void RaiseLastPid()
    {
        bool isAsked = _request.MinimumId is not null;
        int minimum = _request.MinimumId ?? (Environment.ProcessId < LowOwnId ? DefaultMinimumId : 0);
        if (minimum <= 1)
        {
            return;
        }

        try
        {
            int last = int.Parse(File.ReadAllText(LastPidPath), CultureInfo.InvariantCulture);
            if (last >= minimum - 1)
            {
                return;
            }

            File.WriteAllText(LastPidPath, (minimum - 1).ToString(CultureInfo.InvariantCulture));
            _decisions.Add($"Its process id is at least {minimum}{(isAsked ? string.Empty : ": in a fresh pid namespace, low ids would be taken when it is restored")}.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string why = $"The next process id cannot be chosen: {LastPidPath} cannot be written ({e.Message.TrimEnd('.')}).";
            if (isAsked)
            {
                throw new CracException(CracReason.PermissionDenied, why, "Run as root with a writable /proc/sys, or leave out -MinimumId.", e);
            }

            _decisions.Add(why);
        }
    }

    private CracException NotStarted(int errno)
    {
        const int ENOEXEC = 8;
        return new CracException(
            CracReason.ProgramNotStarted,
            $"{_request.FilePath} could not be started: {LibC.Message(errno)}.",
            errno == ENOEXEC ? "It is no program, and no script that names its interpreter (#!): start its interpreter with it as an argument."
                : "Check -FilePath, and that you may run this file.");
    }
}
