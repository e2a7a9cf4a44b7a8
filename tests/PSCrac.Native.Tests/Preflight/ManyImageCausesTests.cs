using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>An image in which one cause occurs many times: one finding reports it, with the number and the first few.</summary>
public sealed class ManyImageCausesTests(ManyImageCausesTests.Scene scene) : IClassFixture<ManyImageCausesTests.Scene>
{
    private sealed record Many(string ExpectedText, int Occurrences, Action<Scene, string> Change)
    {
        internal ImagePreflightOptions Options { get; init; } = new() { NewPidNamespace = true };

        internal string? Action { get; init; }
    }

    private static readonly ImagePreflightOptions s_full = new() { NewPidNamespace = true, Full = true };

    // A row undoes its changes of the program's files; each has its own copy of the image.
    private static readonly Dictionary<string, Many> s_all = new()
    {
        ["pids of a program that still runs"] = new("15 process and thread ids: ", 15, static (_, _) => { }) { Options = ImagePreflightOptions.Default },
        ["ports of a program that still runs"] = new("4 ports, taken", 4, static (_, _) => { }),
        ["missing files"] = new("8 missing files: ", 8, static (scene, _) => scene.ForFiles(static path => File.Move(path, path + ".away"), static path => File.Move(path + ".away", path))),
        ["files that have grown"] = new("8 files that have grown, 10 bytes, was 0: ", 8, static (scene, _) => scene.ForFiles(static path => File.WriteAllText(path, "0123456789"), static path => File.WriteAllText(path, "")))
        {
            Action = "Give -ReopenGrownFile; the program then continues at the current ends.",
        },
        ["files with other permissions"] = new("8 files with other permissions, 600, was 644: ", 8, static (scene, _) => scene.ForFiles(
            static path => File.SetUnixFileMode(path, (UnixFileMode)0x180), static path => File.SetUnixFileMode(path, (UnixFileMode)0x1a4))),
        ["files of another kind"] = new("8 files of another kind, a folder, was a file: ", 8, static (scene, _) => scene.ForFiles(
            static path =>
            {
                File.Move(path, path + ".away");
                Directory.CreateDirectory(path);
            },
            static path =>
            {
                Directory.Delete(path);
                File.Move(path + ".away", path);
            })),
        ["watched folders that are not there"] = new("3 watched files and folders: ", 3, static (scene, _) => scene.ForFolders(
            static path => Directory.Move(path, path + ".away"), static path => Directory.Move(path + ".away", path))),
        ["a foreign owner"] = new("", 0, static (_, image) => CriuProgram.RunProgram("chown", "-R", "65534", image)),
        ["files that everyone may write to"] = new("", 0, static (_, image) => CriuProgram.RunProgram("chmod", "-R", "a+w", image)),
        ["image files that are missing"] = new("3 image files that are missing: ", 3, static (_, image) => ForSome(image, "core-*.img", File.Delete)),
        ["image files that were cut"] = new("3 image files of another size: ", 3, static (_, image) => ForSome(image, "core-*.img", static path => File.WriteAllBytes(path, File.ReadAllBytes(path)[..20]))),
        ["image files that were added"] = new("3 image files that were added: ", 3, static (_, image) => ForSome(image, "core-*.img", static path => File.Copy(path, path[..^4] + "0.img"))),
        ["image files that are missing, read whole"] = new("3 image files that are missing: ", 3, static (_, image) => ForSome(image, "core-*.img", File.Delete)) { Options = s_full },
        ["image files that are damaged, read whole"] = new("3 image files that are damaged: ", 3, static (_, image) => ForSome(image, "core-*.img", static path =>
        {
            byte[] bytes = File.ReadAllBytes(path);
            bytes.AsSpan(8, 4).Fill(0xff);
            File.WriteAllBytes(path, bytes);
        }))
        { Options = s_full },
        ["entries that refer to nothing"] = new("", 0, static (_, image) =>
        {
            File.Delete(Path.Combine(image, "pscrac.json"));
            byte[] files = File.ReadAllBytes(Path.Combine(image, "files.img"));
            File.WriteAllBytes(Path.Combine(image, "files.img"), files[..8]);
        })
        { Options = s_full },
    };

    public static TheoryData<string> Names => [.. s_all.Keys];

    [CriuTheory]
    [MemberData(nameof(Names))]
    public void A_cause_is_reported_once(string name)
    {
        Many many = s_all[name];
        using var folder = new TemporaryFolder();
        string image = folder.At("image");
        CriuProgram.RunProgram("cp", "-a", scene.ImagePath, image);
        int files = Directory.GetFiles(image).Length;
        many.Change(scene, image);
        ImagePreflight preflight;
        try
        {
            preflight = ImagePreflight.Examine(CracImage.Open(image), many.Options);
        }
        finally
        {
            scene.Undo();
        }

        string all = string.Join('\n', preflight.Findings);
        (string says, int occurrences) = name switch
        {
            "a foreign owner" => ($"{files + 1} files and folders of user 65534: {image}, ", files + 1),
            "files that everyone may write to" => ($"{files + 1} files and folders that everyone may write to: {image}, ", files + 1),
            "entries that refer to nothing" => ("", -1),
            _ => (many.ExpectedText, many.Occurrences),
        };
        if (occurrences > 0)
        {
            CracFinding[] found = [.. preflight.Findings.Where(finding => finding.What.StartsWith(says, StringComparison.Ordinal))];
            Assert.True(found.Length == 1, all);
            Assert.Equal(occurrences, found[0].Occurrences);
            if (many.Action is { } action)
            {
                Assert.Equal(action, found[0].RecommendedAction);
            }
        }
        else
        {
            Assert.Contains(preflight.Findings, static finding => finding.What.Contains("entries of files.img that are missing or inconsistent: ", StringComparison.Ordinal));
        }

        Assert.All(preflight.Findings, finding => Assert.Equal(image, finding.ImagePath));
        string[] whys = [.. preflight.Findings.Select(static finding => $"{finding.Severity} {finding.Reason} {finding.Why}")];
        Assert.True(whys.Distinct(StringComparer.Ordinal).Count() == whys.Length, all);
    }

    private static void ForSome(string image, string pattern, Action<string> change)
    {
        foreach (string path in Directory.GetFiles(image, pattern).Order(StringComparer.Ordinal).Take(3))
        {
            change(path);
        }
    }

    /// <summary>A program with many files, sockets and processes, and an image of it; it continues to run.</summary>
    public sealed class Scene : IDisposable
    {
        private const string Program = """
            import ctypes, os, socket, sys, threading, time
            libc = ctypes.CDLL(None)
            os.umask(0o022)
            held = [open("data%d" % i, "a+") for i in range(8)]
            held += [socket.create_server(("127.0.0.1", 0)) for i in range(4)]
            notify = libc.inotify_init1(0)
            for i in range(3):
                os.mkdir("watched%d" % i)
                libc.inotify_add_watch(notify, b"watched%d" % i, 0x100)
            for i in range(2):
                if os.fork() == 0:
                    time.sleep(600)
            for i in range(12):
                threading.Thread(target=lambda: time.sleep(600), daemon=True).start()
            print("ready", flush=True)
            time.sleep(600)
            """;

        private readonly Subject? _subject;
        private readonly List<Action> _undo = [];

        public Scene()
        {
            if (CriuProgram.WhyNot is null)
            {
                _subject = Subject.Of([PythonProgram.Path!, "-c", Program]);
                PSCrac.Checkpointing.Checkpoint.Run(new CheckpointRequest
                {
                    ProcessId = _subject.ProcessId,
                    ImagePath = ImagePath,
                    NoSync = true,
                    Options = new CheckpointOptions { LeaveRunning = true },
                });
            }
        }

        internal string ImagePath => _subject!.ImagePath;

        internal void ForFiles(Action<string> change, Action<string> back) => For("data*", 8, change, back);

        internal void ForFolders(Action<string> change, Action<string> back) => For("watched*", 3, change, back);

        internal void Undo()
        {
            _undo.ForEach(static each => each());
            _undo.Clear();
        }

        /// <inheritdoc/>
        public void Dispose() => _subject?.Dispose();

        private void For(string pattern, int count, Action<string> change, Action<string> back)
        {
            string[] paths = Directory.GetFileSystemEntries(_subject!.Program.Folder, pattern);
            Assert.Equal(count, paths.Length);
            foreach (string path in paths)
            {
                change(path);
                _undo.Add(() => back(path));
            }
        }
    }
}
