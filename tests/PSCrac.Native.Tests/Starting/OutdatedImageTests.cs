using System.IO.Compression;
using System.Text.Json.Nodes;
using PSCrac.Checkpointing;
using PSCrac.Images.Manifest;
using PSCrac.Options;
using PSCrac.Starting;
using PSCrac.Tests.Jvm;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting;

/// <summary>An image is restored in place of a start only where it is of that command line and of those files.</summary>
public sealed class OutdatedImageTests : IDisposable
{
    // Prints what it is told to: a word of the script, the arguments, a variable, and a file if one is named.
    private const string Script = """
        import os, sys, time
        config = open(sys.argv[1]).read().strip() if len(sys.argv) > 1 else "-"
        while True:
            print("WORD", sys.argv[2:], os.environ.get("GREETING"), config, flush=True)
            time.sleep(0.02)
        """;

    private readonly TemporaryFolder _folder = new();
    private readonly List<CracStartedProcess> _started = [];

    private string ImagePath => _folder.At("image");

    private string OutputPath => _folder.At("out");

    public void Dispose()
    {
        _started.ForEach(static process => process.End());
        _folder.Dispose();
    }

    [CriuFact("python3")]
    public void A_script_of_python_that_was_deployed_since_is_started_anew()
    {
        WriteScript("one");
        StartRequest request = Python("app.py");
        RequireRestored(request, "one");

        WriteScript("two");
        RequireAnew(request, "two", $"{_folder.At("app.py")} has changed");
        RequireRestored(request, "two", isFirst: false);
    }

    [CriuFact("python3")]
    public void A_module_of_python_that_was_deployed_since_is_started_anew()
    {
        Directory.CreateDirectory(_folder.At("app"));
        File.WriteAllText(_folder.At("app/__init__.py"), "");
        File.WriteAllText(_folder.At("app/__main__.py"), Script.Replace("WORD", "one", StringComparison.Ordinal));
        StartRequest request = Python("-m", "app");
        RequireRestored(request, "one");

        File.WriteAllText(_folder.At("app/__main__.py"), Script.Replace("WORD", "two", StringComparison.Ordinal));
        RequireAnew(request, "two", $"{_folder.At("app/__main__.py")} has changed");
    }

    [CriuFact("node")]
    public void A_script_of_node_that_was_deployed_since_is_started_anew()
    {
        void Write(string word) => File.WriteAllText(_folder.At("server.js"), $"setInterval(() => console.log('{word}'), 20);");
        Write("one");
        StartRequest request = Request("node", "server");
        RequireRestored(request, "one");

        Write("two");
        RequireAnew(request, "two", $"{_folder.At("server.js")} has changed");
    }

    [CriuFact("java", "javac")]
    public void A_class_folder_that_was_deployed_since_is_started_anew()
    {
        CompileJava("classes");
        File.WriteAllText(_folder.At("classes/word.txt"), "one");
        StartRequest request = Request("java", "-Xshare:auto", "-cp", "classes", "Words");
        RequireRestored(request, "one");

        File.WriteAllText(_folder.At("classes/word.txt"), "two");
        RequireAnew(request, "two", $"{_folder.At("classes/word.txt")} has changed");
    }

    [CriuFact("java", "javac")]
    public void A_jar_that_was_added_to_the_class_path_is_not_passed_over()
    {
        CompileJava("classes");
        Pack("classes", "lib/app.jar");
        StartRequest request = Request("java", "-cp", "lib/*", "Words");
        RequireRestored(request, "none");

        File.WriteAllText(_folder.At("word.txt"), "two");
        Pack("word.txt", "lib/word.jar");
        RequireAnew(request, "two", $"{_folder.At("lib/word.jar")} is new");
    }

    [CriuFact]
    public void An_assembly_of_dotnet_that_was_deployed_since_is_started_anew()
    {
        string[] command = Helper.Command();
        string assembly = Path.GetFileNameWithoutExtension(command[1]);
        foreach (string name in (string[])[$"{assembly}.dll", $"{assembly}.runtimeconfig.json", "PSCrac.Native.dll"])
        {
            File.Copy(Path.Combine(Path.GetDirectoryName(command[1])!, name), _folder.At(name));
        }

        StartRequest request = Request(command[0], $"./{assembly}.dll", "count") with { Ready = [new ReadyPattern(@"^\d+$", [OutputPath])] };
        StartResult first = Start(request);
        Assert.False(first.Process.IsRestored);
        first.Process.End();
        StartResult second = Start(request);
        Assert.True(second.Process.IsRestored, string.Join('\n', second.Warnings));
        second.Process.End();

        using (FileStream library = File.OpenWrite(_folder.At("PSCrac.Native.dll")))
        {
            library.Seek(0, SeekOrigin.End);
            library.WriteByte(0);
        }

        StartResult third = Start(request);
        Assert.False(third.Process.IsRestored);
        Assert.Contains($"{_folder.At("PSCrac.Native.dll")} has changed", Assert.Single(third.Warnings), StringComparison.Ordinal);
    }

    [CriuFact("python3")]
    public void Another_program_is_not_served_by_the_image()
    {
        WriteScript("one");
        RequireRestored(Python("app.py"), "one");

        File.WriteAllText(_folder.At("serve"), "#!/bin/sh\nwhile :; do echo two; sleep 0.02; done\n");
        File.SetUnixFileMode(_folder.At("serve"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        RequireAnew(Request(_folder.At("serve")), "two", $"the program is {_folder.At("serve")}, not ");
    }

    [CriuFact("python3")]
    public void A_program_of_the_same_name_that_comes_first_on_the_path_is_not_served_by_the_image()
    {
        string before = Environment.GetEnvironmentVariable("PATH")!;
        foreach (string release in (string[])["1", "2"])
        {
            Directory.CreateDirectory(_folder.At(release));
            File.WriteAllText(_folder.At($"{release}/words"), $"#!/bin/sh\nwhile :; do echo {release}; sleep 0.02; done\n");
            File.SetUnixFileMode(_folder.At($"{release}/words"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        try
        {
            Environment.SetEnvironmentVariable("PATH", $"{_folder.At("1")}:{before}");
            RequireRestored(Request("words"), "1");
            Environment.SetEnvironmentVariable("PATH", $"{_folder.At("2")}:{_folder.At("1")}:{before}");
            RequireAnew(Request("words"), "2", $"the program is {_folder.At("2/words")}, not {_folder.At("1/words")}");
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", before);
        }
    }

    [CriuFact("python3")]
    public void A_link_that_leads_to_another_program_is_not_served_by_the_image()
    {
        foreach (string release in (string[])["1", "2"])
        {
            Directory.CreateDirectory(_folder.At(release));
            File.WriteAllText(_folder.At($"{release}/app.py"), Script.Replace("WORD", "one", StringComparison.Ordinal));
        }

        File.CreateSymbolicLink(_folder.At("app.py"), _folder.At("1/app.py"));
        StartRequest request = Python("app.py");
        RequireRestored(request, "one");

        File.Delete(_folder.At("app.py"));
        File.CreateSymbolicLink(_folder.At("app.py"), _folder.At("2/app.py"));
        RequireAnew(request, "one", $"{_folder.At("app.py")} leads to {_folder.At("2/app.py")}, not to {_folder.At("1/app.py")}");
    }

    [CriuFact("python3")]
    public void Other_arguments_another_variable_and_another_folder_are_named()
    {
        WriteScript("one");
        File.WriteAllText(_folder.At("conf"), "c");
        Directory.CreateDirectory(_folder.At("elsewhere"));
        StartRequest request = Python("app.py", "conf", "8080") with { Environment = new Dictionary<string, string?> { ["GREETING"] = "hello", ["SECRET"] = "s" } };
        RequireRestored(request, "one ['8080'] hello c");

        request = request with { Arguments = ["app.py", "conf", "9090"] };
        RequireAnew(request, "one ['9090'] hello c", "argument 3 is '9090', not '8080'");

        request = request with { Environment = new Dictionary<string, string?> { ["GREETING"] = "goodbye", ["SECRET"] = null } };
        string warning = RequireAnew(request, "one ['9090'] goodbye c", "the environment variable GREETING has another value; the environment variable SECRET has another value");
        Assert.DoesNotContain("hello", warning, StringComparison.Ordinal);

        request = request with { WorkingDirectory = _folder.At("elsewhere"), Arguments = ["../app.py", "../conf", "9090"] };
        RequireAnew(request, "one ['9090'] goodbye c", $"it starts in {_folder.At("elsewhere")}, not in {_folder.FullPath}");
    }

    [CriuFact("python3")]
    public void A_file_that_an_argument_names_counts_unless_the_program_itself_writes_it()
    {
        WriteScript("one");
        File.WriteAllText(_folder.At("conf"), "c");
        File.WriteAllText(_folder.At("app.py"), File.ReadAllText(_folder.At("app.py")).Replace("import os", "log = open('app.log', 'a')\nopen('app.pid', 'w').write('1')\nimport os", StringComparison.Ordinal));
        File.WriteAllText(_folder.At("app.log"), "before\n");
        StartRequest request = Python("app.py", "conf", "--log=app.log", "--pid=app.pid");
        RequireRestored(request, "one ['--log=app.log', '--pid=app.pid'] None c");

        File.AppendAllText(_folder.At("app.log"), "after\n");
        File.Delete(_folder.At("app.pid"));
        RequireRestored(request, "one", isFirst: false);

        File.WriteAllText(_folder.At("conf"), "d");
        RequireAnew(request, "one ['--log=app.log', '--pid=app.pid'] None d", $"{_folder.At("conf")} has changed");
    }

    [CriuFact("python3")]
    public void What_it_depends_on_besides_counts()
    {
        WriteScript("one");
        foreach (string name in (string[])["lib/a.py", "conf/a.yml"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.At(name))!);
            File.WriteAllText(_folder.At(name), name);
        }

        StartRequest request = Python("app.py") with { DependsOn = [_folder.At("lib"), _folder.At("conf/*.yml"), _folder.At("*")] };
        RequireRestored(request, "one");

        File.WriteAllText(_folder.At("lib/a.py"), "other");
        File.WriteAllText(_folder.At("conf/b.yml"), "new");
        RequireAnew(request, "one", $"{_folder.At("lib/a.py")} has changed; {_folder.At("conf/b.yml")} is new");

        // What an image was made to depend on stays, whoever restores it.
        File.Delete(_folder.At("conf/a.yml"));
        RequireAnew(request with { DependsOn = [] }, "one", $"{_folder.At("conf/a.yml")} is gone");
    }

    [CriuFact("python3")]
    public void Other_output_files_are_those_of_the_restored_program()
    {
        WriteScript("one");
        StartRequest request = Python("app.py");
        RequireRestored(request, "one");
        long before = new FileInfo(OutputPath).Length;

        StartResult other = Start(request with { StandardOutputPath = _folder.At("other"), StandardErrorPath = _folder.At("other") });
        Assert.True(other.Process.IsRestored, string.Join('\n', other.Warnings));
        Wait.Until(() => File.Exists(_folder.At("other")) && File.ReadAllText(_folder.At("other")).Contains("one", StringComparison.Ordinal), () => "nothing is written");
        other.Process.End();
        Assert.Equal(before, new FileInfo(OutputPath).Length);

        StartResult none = Start(request with { StandardOutputPath = null, StandardErrorPath = null });
        Assert.True(none.Process.IsRestored, string.Join('\n', none.Warnings));
        Assert.Equal("/dev/null", new FileInfo($"/proc/{none.Process.Id}/fd/1").LinkTarget);
        none.Process.End();
        Assert.Equal(before, new FileInfo(OutputPath).Length);
    }

    [CriuFact("python3")]
    public void Another_input_file_is_that_of_the_restored_program()
    {
        const string Reader = "import sys, time; print('one', flush=True)\nwhile True:\n  line = sys.stdin.readline().strip()\n  print(line, flush=True) if line else time.sleep(0.02)";
        foreach (string name in (string[])["in", "two"])
        {
            File.WriteAllText(_folder.At(name), name == "in" ? "" : "two\n");
        }

        StartRequest request = Python("-c", Reader) with { StandardInputPath = _folder.At("in") };
        StartResult first = Start(request);
        Assert.Empty(first.Warnings);
        first.Process.End();

        StartResult second = Start(request with { StandardInputPath = _folder.At("two") });
        Assert.True(second.Process.IsRestored, string.Join('\n', second.Warnings));
        Wait.Until(() => File.ReadAllLines(OutputPath).Contains("two"), () => "the other file is not read");
    }

    [CriuFact("python3")]
    public void A_time_alone_outdates_nothing()
    {
        WriteScript("one");
        StartRequest request = Python("app.py");
        RequireRestored(request, "one");
        File.SetLastWriteTimeUtc(_folder.At("app.py"), DateTime.UtcNow.AddMinutes(-5));
        RequireRestored(request, "one", isFirst: false);
    }

    [CriuFact("python3")]
    public void Force_starts_it_anew_always_and_IgnoreChange_never()
    {
        WriteScript("one");
        StartRequest request = Python("app.py");
        RequireRestored(request, "one");

        WriteScript("two");
        StartResult ignored = Start(request with { IgnoreChange = true });
        Assert.True(ignored.Process.IsRestored);
        Assert.Empty(ignored.Warnings);
        ignored.Process.End();

        StartResult forced = Start(request with { Force = true });
        Assert.False(forced.Process.IsRestored);
        Assert.Empty(forced.Warnings);
        Assert.False(forced.Process.HasExited);
        forced.Process.End();
        RequireRestored(request, "two", isFirst: false);

        foreach (StartRequest wrong in (StartRequest[])[request with { Force = true, IgnoreChange = true }, request with { OrRestore = false, IgnoreChange = true }])
        {
            Assert.Equal(CracReason.OptionRefused, Assert.Throws<CracException>(() => Start(wrong)).Reason);
        }
    }

    [CriuTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_image_without_a_fingerprint_is_compared_by_its_command_line_and_its_age(bool isOlder)
    {
        WriteScript("one");
        StartRequest request = Request(PythonProgram.Path!, "app.py");
        if (isOlder)
        {
            // As a manifest of before there were fingerprints.
            Start(request with { LeaveRunning = false, OrRestore = false }).Process.End();
            string manifest = Path.Combine(ImagePath, ImageManifest.FileName);
            JsonNode json = JsonNode.Parse(File.ReadAllText(manifest))!;
            Assert.True(json.AsObject().Remove("start"));
            File.WriteAllText(manifest, json.ToJsonString());
        }
        else
        {
            CracStartedProcess process = Start(request with { ImagePath = null, OrRestore = false }).Process;
            Checkpoint.Run(new CheckpointRequest { ProcessId = process.Id, ImagePath = ImagePath });
            Assert.True(process.WaitForExit(Wait.Limit));
        }

        StartResult same = Start(request);
        Assert.True(same.Process.IsRestored, string.Join('\n', same.Warnings));
        same.Process.End();

        WriteScript("two");
        RequireAnew(request, "two", $"{_folder.At("app.py")} has changed since the checkpoint");
    }

    [CriuFact("python3")]
    public void An_image_without_a_fingerprint_is_not_served_for_another_command_line()
    {
        WriteScript("one");
        StartRequest request = Request(PythonProgram.Path!, "app.py");
        CracStartedProcess process = Start(request with { ImagePath = null, OrRestore = false }).Process;
        Checkpoint.Run(new CheckpointRequest { ProcessId = process.Id, ImagePath = ImagePath });
        Assert.True(process.WaitForExit(Wait.Limit));

        File.WriteAllText(_folder.At("conf"), "c");
        RequireAnew(request with { Arguments = ["app.py", "conf"] }, "one [] None c", "its command line is ");
    }

    [CriuFact("python3")]
    public void The_manifest_of_an_image_that_is_not_trusted_is_not_compared()
    {
        WriteScript("one");
        StartRequest request = Python("app.py");
        RequireRestored(request, "one");
        string manifest = Path.Combine(ImagePath, ImageManifest.FileName);
        File.SetUnixFileMode(manifest, File.GetUnixFileMode(manifest) | UnixFileMode.OtherWrite);

        StartResult result = Start(request with { Arguments = ["app.py", "app.py"] });
        Assert.False(result.Process.IsRestored);
        Assert.Contains("could not be restored", Assert.Single(result.Warnings), StringComparison.Ordinal);
    }

    [CriuFact("python3")]
    public void What_does_not_match_is_not_measured()
    {
        WriteScript("one");
        StartRequest request = Python("app.py") with { OrRestore = false, Ready = [new ReadyTest(static () => true, "never")] };
        Assert.Contains("The image records the fingerprints of ", string.Join('\n', Start(request).Decisions), StringComparison.Ordinal);
        WriteScript("two");
        CracException e = Assert.Throws<CracException>(() => MeasureOperation.Run(request, count: 1));
        Assert.Equal(CracReason.ImageOutdated, e.Reason);
        Assert.Contains($"{_folder.At("app.py")} has changed", e.Message, StringComparison.Ordinal);
        Assert.Equal(1, MeasureOperation.Run(request with { IgnoreChange = true }, count: 1).Count);
    }

    private StartRequest Python(params string[] arguments) => Request("python3", arguments);

    private StartRequest Request(string program, params string[] arguments) => new()
    {
        FilePath = program,
        Arguments = arguments,
        WorkingDirectory = _folder.FullPath,
        StandardOutputPath = OutputPath,
        StandardErrorPath = OutputPath,
        Ready = [new ReadyPattern("^(one|two|none|1|2)", [OutputPath])],
        ReadyTimeout = Wait.Limit,
        ImagePath = ImagePath,
        OrRestore = true,
    };

    private void WriteScript(string word) => File.WriteAllText(_folder.At("app.py"), Script.Replace("WORD", word, StringComparison.Ordinal));

    private void CompileJava(string folder)
    {
        File.WriteAllText(_folder.At("Words.java"), """
            public class Words {
                public static void main(String[] arguments) throws Exception {
                    java.io.InputStream file = Words.class.getResourceAsStream("/word.txt");
                    String word = file == null ? "none" : new String(file.readAllBytes());
                    while (true) { System.out.println(word); Thread.sleep(20); }
                }
            }
            """);
        (int code, string error) = CriuProgram.RunProgram("javac", "-d", _folder.At(folder), _folder.At("Words.java"));
        Assert.True(code == 0, error);
    }

    private void Pack(string name, string jar)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.At(jar))!);
        if (Directory.Exists(_folder.At(name)))
        {
            ZipFile.CreateFromDirectory(_folder.At(name), _folder.At(jar));
            return;
        }

        using ZipArchive archive = ZipFile.Open(_folder.At(jar), ZipArchiveMode.Create);
        archive.CreateEntryFromFile(_folder.At(name), name);
    }

    // Starts it where that is the first time, and then restores it.
    private void RequireRestored(StartRequest request, string line, bool isFirst = true)
    {
        if (isFirst)
        {
            StartResult first = Start(request);
            Assert.Empty(first.Warnings);
            Assert.False(first.Process.IsRestored);
            first.Process.End();
        }

        StartResult second = Start(request);
        Assert.True(second.Process.IsRestored, string.Join('\n', second.Warnings));
        RequireLine(line);
        second.Process.End();
    }

    private string RequireAnew(StartRequest request, string line, string difference)
    {
        StartResult result = Start(request);
        Assert.False(result.Process.IsRestored);
        string warning = Assert.Single(result.Warnings);
        Assert.Contains(difference, warning, StringComparison.Ordinal);
        Assert.Contains("-IgnoreChange", warning, StringComparison.Ordinal);
        RequireLine(line);
        result.Process.End();
        return warning;
    }

    private void RequireLine(string start)
    {
        int before = File.ReadAllLines(OutputPath).Length;
        Wait.Until(
            () => File.ReadAllLines(OutputPath).Skip(before).Any(line => line.StartsWith(start, StringComparison.Ordinal)),
            () => $"no line '{start}', but: {string.Join('\n', File.ReadAllLines(OutputPath).TakeLast(3))}");
    }

    private StartResult Start(StartRequest request)
    {
        try
        {
            return StartOperation.Run(request, started: _started.Add);
        }
        catch (CracException e) when (e.OutputLines.Count > 0)
        {
            throw new InvalidOperationException($"{e.Message}\n{string.Join('\n', e.OutputLines)}", e);
        }
    }
}
