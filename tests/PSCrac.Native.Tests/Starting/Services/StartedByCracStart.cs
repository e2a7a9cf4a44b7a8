using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using PSCrac.PidNamespaces;
using PSCrac.Procfs;
using PSCrac.Starting.Services;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Services;

/// <summary>A described service with a state folder of its own, and the crac-starts that run it. All end with the test.</summary>
internal sealed class StartedByCracStart : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<Run> _runs = [];

    internal StartedByCracStart(params string[] words)
    {
        Port = FreePort.Next();
        Description = new ServiceDescription
        {
            Name = "web",
            FilePath = "python3",
            Arguments = [Path.Combine(AppContext.BaseDirectory, "service.py"), $"{Port}", .. words],
            WorkingDirectory = _folder.FullPath,
            StandardErrorPath = _folder.At("err"),
            ReadyUri = new Uri($"http://127.0.0.1:{Port}/"),
        };
        Directory.CreateDirectory(_folder.At("state/services"));
    }

    internal int Port { get; }

    internal ServiceDescription Description { get; set; }

    internal string DescriptionPath => _folder.At("state/services/web.json");

    /// <summary>Variables of crac-start's environment in addition to the test's.</summary>
    internal Dictionary<string, string> Environment { get; } = [];

    internal string At(string name) => _folder.At(name);

    /// <summary>The names of the images, the newest last.</summary>
    internal string[] Images() => Directory.Exists(ImageFolder)
        ? [.. Directory.GetDirectories(ImageFolder).Select(static path => Path.GetFileName(path)).Where(static name => name[0] != '.').Order(StringComparer.Ordinal)] : [];

    internal string ImageFolder => Path.Combine(Environment.GetValueOrDefault("PSCRAC_IMAGE_ROOT") ?? At("state/images"), "web");

    /// <summary>Writes the description.</summary>
    internal void Describe() => File.WriteAllBytes(DescriptionPath, ServiceStore.Serialize(Description));

    /// <summary>Writes the description and starts crac-start.</summary>
    internal Run Start()
    {
        Describe();
        return Start([.. NamespaceInitHost.LocateStart(), "web"]);
    }

    /// <summary>Starts any command in the environment of this service.</summary>
    internal Run Start(IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardError = true, WorkingDirectory = _folder.FullPath };
        start.Environment["PSCRAC_STATE_ROOT"] = At("state");
        start.Environment["PSCRAC_LOG_ROOT"] = At("logs");
        foreach ((string name, string value) in Environment)
        {
            start.Environment[name] = value;
        }

        var run = new Run(this, Process.Start(start)!);
        _runs.Add(run);
        return run;
    }

    /// <summary>Asks the service for a path; null where it does not answer.</summary>
    internal string? TryAsk(string path = "/")
    {
        try
        {
            using var client = new TcpClient("127.0.0.1", Port);
            client.GetStream().Write(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.0\r\n\r\n"));
            using var reader = new StreamReader(client.GetStream());
            string answer = reader.ReadToEnd();
            int body = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            return body < 0 ? null : answer[(body + 4)..];
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return null;
        }
    }

    /// <summary>Asks the service, which is there.</summary>
    internal (int ProcessId, int Count) Ask()
    {
        string[] answer = TryAsk()?.Split(' ') ?? throw new IOException($"no answer; {string.Join('\n', _runs[^1].Lines)}");
        return (int.Parse(answer[0]), int.Parse(answer[1]));
    }

    public void Dispose()
    {
        _runs.ForEach(static run => run.Dispose());

        // What a guard still kills has this folder as its working directory.
        Wait.Until(() => !Processes().Any(), () => $"processes are left: {string.Join(' ', Processes())}");
        _folder.Dispose();
    }

    private IEnumerable<int> Processes() => Directory.EnumerateDirectories("/proc")
        .Select(static path => int.TryParse(Path.GetFileName(path), out int id) ? id : 0)
        .Where(id => id > 0 && ProcessStatus.TryRead(id) is { HasEnded: false } && new FileInfo($"/proc/{id}/cwd").LinkTarget == _folder.FullPath);

    /// <summary>A crac-start.</summary>
    internal sealed class Run : IDisposable
    {
        private readonly StartedByCracStart _service;
        private readonly Process _process;
        private readonly List<string> _lines = [];

        internal Run(StartedByCracStart service, Process process)
        {
            _service = service;
            _process = process;
            process.ErrorDataReceived += (_, data) =>
            {
                lock (_lines)
                {
                    if (data.Data is { } line)
                    {
                        _lines.Add(line);
                    }
                }
            };
            process.BeginErrorReadLine();
        }

        internal int ProcessId => _process.Id;

        internal string[] Lines
        {
            get
            {
                lock (_lines)
                {
                    return [.. _lines];
                }
            }
        }

        /// <summary>Waits for a line with a text, and gives it.</summary>
        internal string WaitForLine(string text, int number = 1)
        {
            Wait.Until(() => Count(text) >= number, () => $"no line {number} with '{text}' in:\n{string.Join('\n', Lines)}\n{Errors()}");
            return Lines.Where(line => line.Contains(text, StringComparison.Ordinal)).ElementAt(number - 1);
        }

        internal int Count(string text) => Lines.Count(line => line.Contains(text, StringComparison.Ordinal));

        /// <summary>Sends a signal by its short name.</summary>
        internal void Signal(string name) => Assert.Equal(0, CriuProgram.Kill("-" + name, $"{_process.Id}").ExitCode);

        /// <summary>Waits for its end, and gives its exit code.</summary>
        internal int WaitForExit()
        {
            Assert.True(_process.WaitForExit(Wait.Limit), $"it does not end:\n{string.Join('\n', Lines)}");
            _process.WaitForExit();
            return _process.ExitCode;
        }

        /// <summary>Ends the service with SIGTERM.</summary>
        internal int End()
        {
            Signal("TERM");
            return WaitForExit();
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
                _process.WaitForExit();
            }

            _process.Dispose();
        }

        private string Errors() => File.Exists(_service.At("err")) ? File.ReadAllText(_service.At("err")) : "";
    }
}
