using System.Collections;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Interop;
using PSCrac.PidNamespaces;
using PSCrac.Processes;
using PSCrac.Restoring;

namespace PSCrac.Starting;

/// <summary>
/// Starts a program that inherits nothing of this session: it has a session of its own, no terminal, no descriptors but the three
/// standard ones, and no ignored or blocked signals.
/// </summary>
internal sealed class Launcher
{
    // The sources of dup2(2) must not be among its targets, or one call would overwrite the next source.
    private const int MinimumSourceDescriptor = 10;

    // A session with a pid below this probably runs in a container, whose pids repeat from run to run.
    private const int ContainerIdLimit = 1000;
    private const int DefaultMinimumId = 10_000;
    private const string NullDevice = "/dev/null";

    private readonly StartRequest _request;
    private readonly List<string> _decisions;
    private readonly List<string> _warnings;
    private readonly CancellationToken _cancellation;

    private Launcher(StartRequest request, List<string> decisions, List<string> warnings, CancellationToken cancellation)
    {
        _request = request;
        _decisions = decisions;
        _warnings = warnings;
        _cancellation = cancellation;
    }

    /// <summary>Starts the program, which ends with this process unless it is handed over.</summary>
    /// <param name="request">The start.</param>
    /// <param name="decisions">Receives a sentence for each decision.</param>
    /// <param name="warnings">Receives a sentence for what may prevent a restore of it.</param>
    /// <param name="cancellation">Ends the wait for a new pid namespace.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ProgramNotStarted"/>, <see cref="CracReason.OptionRefused"/> for arguments or variables that execve(2) cannot pass,
    /// <see cref="CracReason.PermissionDenied"/> for a pid that may not be chosen,
    /// or <see cref="CracReason.NamespaceUnsupported"/>.
    /// </exception>
    internal static CracStartedProcess Launch(StartRequest request, List<string> decisions, List<string> warnings, CancellationToken cancellation)
    {
        RequireValidArguments(request);
        return new Launcher(request, decisions, warnings, cancellation).Launch();
    }

    // execve(2) takes strings that end at the first NUL, and the environment as NAME=VALUE.
    private static void RequireValidArguments(StartRequest request)
    {
        if (request.FilePath.Contains('\0', StringComparison.Ordinal) || request.Arguments.Any(static each => each.Contains('\0', StringComparison.Ordinal)))
        {
            throw new CracException(CracReason.OptionRefused, "An argument of a program cannot contain a NUL character.", "Remove it from -FilePath and -ArgumentList.");
        }

        foreach ((string name, string? value) in request.Environment)
        {
            if (name.Length == 0 || name.AsSpan().ContainsAny('=', '\0') || value?.Contains('\0', StringComparison.Ordinal) == true)
            {
                throw new CracException(
                    CracReason.OptionRefused,
                    $"The environment cannot hold a variable '{name}': a name has at least one character and no '=', and neither name nor value contains a NUL character.",
                    "Correct -Environment.");
            }
        }
    }

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

        bool isInside = _request.PidNamespace == CracPidNamespace.New;
        int innerId = 0;
        (string program, List<string> arguments, List<string> environment) = Compose(path);
        ChildProcess child = isInside ? SpawnInNamespace(program, arguments, environment, directory, out innerId) : Spawn(program, arguments, environment, directory);
        if (program != path)
        {
            OtherUser.WaitUntilExecuted(child.Id, _cancellation);
        }

        return new CracStartedProcess(child, command, isRestored: false, isInside ? innerId : child.Id)
        {
            StandardOutputPath = _request.StandardOutputPath,
            StandardErrorPath = _request.StandardErrorPath,
            Output = [.. files.Values],
        };
    }

    private ChildProcess Spawn(string path, List<string> arguments, List<string> environment, string? directory)
    {
        RaiseNextPid();
        using SafeFileHandle input = OpenInput();
        using SafeFileHandle output = OpenOutput(_request.StandardOutputPath, "-StandardOutputPath");
        bool isShared = _request.StandardErrorPath is not null && _request.StandardErrorPath == _request.StandardOutputPath;
        using SafeFileHandle? error = isShared ? null : OpenOutput(_request.StandardErrorPath, "-StandardErrorPath");
        SessionGuard? guard = SessionGuard.TryStart();
        Errno errno = LibC.Spawn(
            path,
            arguments,
            environment,
            [(input, 0), (output, 1), (error ?? output, 2)],
            blockedSignals: [],
            defaultSignals: LibC.StandardSignals,
            out int pid,
            newSession: true,
            directory,
            closed: LibC.ListDescriptors());
        if (errno == 0)
        {
            return ChildProcess.Adopt(pid, guard);
        }

        guard?.Dispose();
        throw NotStarted(errno);
    }

    private ChildProcess SpawnInNamespace(string path, List<string> arguments, List<string> environment, string? directory, out int innerId)
    {
        // Opened here only to create them, and to report which one cannot be opened.
        OpenInput().Dispose();
        OpenOutput(_request.StandardOutputPath, "-StandardOutputPath").Dispose();
        OpenOutput(_request.StandardErrorPath, "-StandardErrorPath").Dispose();
        var program = new NamespaceProgram(
            _request.FilePath, path, arguments, environment, directory ?? Environment.CurrentDirectory,
            (FullPath(_request.StandardInputPath), FullPath(_request.StandardOutputPath), FullPath(_request.StandardErrorPath)));
        var init = NamespaceInitProcess.StartProgram(program, _request.MinimumId ?? DefaultMinimumId, out innerId, _cancellation);
        try
        {
            int id = RestorePlacement.FindByInnerId(init.ProcessId, innerId)
                ?? throw new CracException(CracReason.ProcessGone, $"{_request.FilePath} was started in a pid namespace that ended at once.", "Try again.");
            _decisions.Add($"It is process {innerId} of a pid namespace of its own, whose first process is {init.ProcessId} here.");
            return ChildProcess.Adopt(id, init);
        }
        catch
        {
            init.Dispose();
            throw;
        }
    }

    private static string FullPath(string? path) => path is null ? NullDevice : Path.GetFullPath(path);

    private SafeFileHandle OpenInput() => Open(_request.StandardInputPath, LibC.O_RDONLY, "-StandardInputPath");

    private static SafeFileHandle OpenOutput(string? path, string parameter) =>
        // criu does not compare the size of a file opened with O_APPEND at a restore.
        Open(path, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_APPEND, parameter);

    private static SafeFileHandle Open(string? path, int flags, string parameter)
    {
        const uint Mode = 0x1A4; // 0644, less the umask
        SafeFileHandle opened = LibC.Open(path ?? NullDevice, flags | LibC.O_NOCTTY, out Errno errno, Mode);
        using (opened)
        {
            if (errno != 0)
            {
                throw new CracException(
                    CracReason.ProgramNotStarted, $"{path} cannot be opened for the program: {LibC.Message(errno)}.", $"Correct {parameter}.");
            }

            return LibC.Duplicate(opened, MinimumSourceDescriptor, out _);
        }
    }

    /// <summary>The environment of a start, NAME=VALUE each, ordered by name.</summary>
    internal static List<string> ComposeEnvironment(StartRequest request) => ToList(ReadEnvironment(request));

    private (string Program, List<string> Arguments, List<string> Environment) Compose(string path)
    {
        SortedDictionary<string, string> variables = ReadEnvironment(_request);
        List<string> options = JavaOptions.Choose(_request, path, variables, _decisions);
        List<string> arguments = [_request.FilePath, .. options, .. _request.Arguments];
        string program = _request.User is { } user ? OtherUser.Compose(user, path, arguments, variables, _request.Environment) : path;
        return (program, arguments, ToList(variables));
    }

    private static List<string> ToList(SortedDictionary<string, string> variables) => [.. variables.Select(static variable => $"{variable.Key}={variable.Value}")];

    private static SortedDictionary<string, string> ReadEnvironment(StartRequest request)
    {
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            variables[(string)variable.Key] = (string?)variable.Value ?? string.Empty;
        }

        foreach ((string name, string? value) in request.Environment)
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

        return variables;
    }

    private void RaiseNextPid()
    {
        bool isAsked = _request.MinimumId is not null;
        int minimum = _request.MinimumId ?? (Environment.ProcessId < ContainerIdLimit ? DefaultMinimumId : 0);
        if (minimum <= 1)
        {
            return;
        }

        Errno errno = LastPid.Raise(minimum - 1, out bool isRaised);
        if (errno == 0)
        {
            _decisions.AddRange(isRaised ? [$"Its process id is at least {minimum}{(isAsked ? string.Empty : ": in a fresh pid namespace, low ids would be taken when it is restored")}."] : []);
            return;
        }

        string why = $"The next process id cannot be chosen: {LastPid.Path} cannot be written ({LibC.Message(errno)}).";
        if (isAsked)
        {
            throw new CracException(CracReason.PermissionDenied, why, "Run as root with a writable /proc/sys, or leave out -MinimumId.");
        }

        bool isImageExpected = _request.ImagePath is not null || _request.Service is not null;
        (isImageExpected ? _warnings : _decisions).Add(isImageExpected
            ? $"{why} When the program is restored in another container, a process there may have its low id. Give the container CAP_SYS_ADMIN, or --security-opt unmask=/proc/sys."
            : why);
    }

    private CracException NotStarted(Errno errno) => NamespaceProgram.NotStarted(_request.FilePath, errno);
}
