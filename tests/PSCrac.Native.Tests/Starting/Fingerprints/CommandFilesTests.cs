using System.IO.Compression;
using PSCrac.Images.Manifest;
using PSCrac.Starting.Fingerprints;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Fingerprints;

/// <summary>Which files a command line leads to. Nothing is started: the files are there, and the programs are names.</summary>
public sealed class CommandFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, string?> _environment = new()
    {
        ["CLASSPATH"] = null,
        ["JDK_JAVA_OPTIONS"] = null,
        ["JAVA_TOOL_OPTIONS"] = null,
        ["PYTHONPATH"] = null,
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("--config app.conf", "argument app.conf")]
    [InlineData("--config=app.conf", "argument app.conf")]
    [InlineData("--spring.config.location=file:app.conf,file:other.conf", "argument app.conf, argument other.conf")]
    [InlineData("-c./app.conf", "argument app.conf")]
    [InlineData("@app.conf", "argument app.conf")]
    [InlineData("app.conf:other.conf", "argument app.conf, argument other.conf")]
    [InlineData("none.conf -v 8080 /dev/null /proc/self/status folder", "")]
    public void Files_that_arguments_name(string arguments, string expected)
    {
        Write("app.conf", "other.conf", "folder/in.conf");
        Assert.Equal(expected, Find("./server", arguments));
    }

    [Theory]
    [InlineData("app.jar", "-jar app.jar", "classPath app.jar")]
    [InlineData("app.jar lib/a.jar lib/b.jar", "-cp app.jar:lib/* Main", "classPath app.jar, classPath lib/a.jar, classPath lib/b.jar")]
    [InlineData("classes/Main.class classes/a/B.class", "-classpath classes Main", "classPath classes/Main.class, classPath classes/a/B.class")]
    [InlineData("Main.class state.json", "Main", "classPath Main.class")]
    [InlineData("Main.class state.json lib/a.jar", "--class-path=.:lib/a.jar Main", "classPath Main.class, classPath lib/a.jar")]
    [InlineData("app.jar", "-cp gone.jar:app.jar Main", "classPath app.jar, classPath gone.jar")]
    [InlineData("mods/a.jar mods/b/module-info.class app.jar", "-p mods -m a/a.Main app.jar", "argument app.jar, classPath mods/a.jar, classPath mods/b/module-info.class")]
    [InlineData("app.jar agent.jar", "-javaagent:agent.jar=port -jar app.jar", "argument agent.jar, classPath app.jar")]
    [InlineData("Main.java Main.class", "Main.java", "argument Main.java")]
    [InlineData("app.jar conf.xml", "--add-modules x -XX:+UseSerialGC -Dlog=conf.xml -jar app.jar -cp classes", "argument conf.xml, classPath app.jar")]
    public void The_class_path_of_a_jvm(string files, string arguments, string expected)
    {
        Write(files.Split(' '));
        Assert.Equal(expected, Find("java", arguments));
    }

    [Fact]
    public void The_class_path_of_an_option_file_and_of_the_environment()
    {
        Write("lib/a.jar", "lib/b.jar", "lib/c c.jar", "agent.jar");
        File.WriteAllText(_folder.At("options"), "# of the service\n-cp \"lib/a.jar:lib/c c.jar\"\n-Dx=y");
        Assert.Equal("argument options, classPath lib/a.jar, classPath lib/c c.jar", Find("java", "@options Main"));

        _environment["CLASSPATH"] = "lib/b.jar";
        Assert.Equal("classPath lib/b.jar", Find("java", "Main"));

        _environment["JDK_JAVA_OPTIONS"] = "-cp lib/a.jar";
        _environment["JAVA_TOOL_OPTIONS"] = "-javaagent:agent.jar";
        Assert.Equal("argument agent.jar, classPath lib/a.jar", Find("java", "Main"));
    }

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Optimal)]
    public void The_class_path_that_a_jar_has_in_its_manifest(CompressionLevel level)
    {
        Write("app/lib/b.jar", "app/classes/C.class");
        Jar("app/lib/a.jar", level, "Class-Path: b.jar\r\n");
        Jar("app/app.jar", level, $"Main-Class: Main\r\nClass-Path: lib/a.jar classes/ {new string('x', 40)}\r\n {new string('x', 40)}.jar\r\n");

        Assert.Equal(
            $"classPath app/app.jar, classPath app/classes/C.class, classPath app/lib/a.jar, classPath app/lib/b.jar, classPath app/{new string('x', 80)}.jar",
            Find("java", "-jar app/app.jar"));
    }

    [Fact]
    public void The_manifest_of_a_jar_that_has_not_changed_is_not_read_again()
    {
        Jar("app.jar", CompressionLevel.Optimal, "Class-Path: a.jar\r\n");
        StartedCommand command = Command("/usr/bin/java", ["-jar", "app.jar"]);
        ImageManifestStartFile then = FileFingerprint.Read(_folder.At("app.jar"), ImageManifestStartRole.ClassPath) with { ClassPath = ["recorded.jar"] };
        string Find() => Describe(
            CommandFiles.Find(command, [], new Dictionary<string, ImageManifestStartFile> { [then.Path] = then }), ImageManifestStartRole.ClassPath);
        Assert.Equal("app.jar, recorded.jar", Find());

        File.SetLastWriteTimeUtc(_folder.At("app.jar"), DateTime.UtcNow.AddHours(-1));
        Assert.Equal("a.jar, app.jar", Find());
    }

    [Theory]
    [InlineData("app.py", "-u app.py", "script app.py")]
    [InlineData("app/__main__.py app/other.py", "app", "script app/__main__.py")]
    [InlineData("app/__init__.py app/__main__.py app/other.py", "-um app", "script app/__init__.py, script app/__main__.py")]
    [InlineData("a/__init__.py a/b.py", "-W ignore -m a.b", "script a/__init__.py, script a/b.py")]
    [InlineData("main.py server.py", "-m server main:app --port 80", "script main.py, script server.py")]
    [InlineData("app.py", "-c pass app.py", "argument app.py")]
    public void The_script_of_python(string files, string arguments, string expected)
    {
        Write(files.Split(' '));
        Assert.Equal(expected, Find("python3.13", arguments));
    }

    [Fact]
    public void A_module_of_pythons_path_and_of_a_virtual_environment()
    {
        Write("path/a.py", ".venv/lib/python3.13/site-packages/b/__main__.py", ".venv/pyvenv.cfg");
        _environment["PYTHONPATH"] = "path";
        Assert.Equal("script path/a.py", Find("python3", "-m a"));
        Assert.Equal("script .venv/lib/python3.13/site-packages/b/__main__.py", Find(".venv/bin/python", "-m b"));
    }

    [Theory]
    [InlineData("app.js hook.js", "--require ./hook.js app.js", "argument hook.js, script app.js")]
    [InlineData("app.js", "app", "script app.js")]
    [InlineData("index.js", ".", "script index.js")]
    [InlineData("svc/package.json svc/dist/main.js", "svc", "script svc/dist/main.js, script svc/package.json")]
    public void The_script_of_node(string files, string arguments, string expected)
    {
        Write(files.Split(' '));
        if (File.Exists(_folder.At("svc/package.json")))
        {
            File.WriteAllText(_folder.At("svc/package.json"), """{ "main": "dist/main" }""");
        }

        Assert.Equal(expected, Find("node", arguments));
    }

    [Theory]
    [InlineData("dotnet", "app/app.dll --urls x")]
    [InlineData("dotnet", "exec --runtimeconfig app/app.runtimeconfig.json app/app.dll")]
    [InlineData("app/app", "--urls x")]
    public void The_folder_of_a_dotnet_application(string program, string arguments)
    {
        Write(
            "app/app", "app/app.dll", "app/app.runtimeconfig.json", "app/lib.dll", "app/de/app.resources.dll", "app/appsettings.json", "app/data.db", "app/app.log",
            "appsettings.Production.json", "other.json");

        string found = string.Join(", ", Find(program, arguments).Split(", ").Select(static each => each.Split(' ')[1]));
        Assert.Equal(
            "app/app.dll, app/app.runtimeconfig.json, app/appsettings.json, app/de/app.resources.dll, app/lib.dll, appsettings.Production.json",
            string.Join(", ", found.Split(", ").Order(StringComparer.Ordinal)));
    }

    [Fact]
    public void A_command_of_the_sdk_has_no_application()
    {
        Write("app.dll", "lib.dll");
        Assert.Equal("argument app.dll", Find("dotnet", "run -- app.dll"));
    }

    [Theory]
    [InlineData("#!/usr/bin/python3 -u\n", "/usr/bin/python3")]
    [InlineData("#! /usr/bin/env sh\n", "/usr/bin/env")]
    [InlineData("#!/usr/bin/env -S sh -e", "/usr/bin/env")]
    public void The_interpreter_of_a_script(string first, string interpreter)
    {
        File.WriteAllText(_folder.At("run"), first);
        CommandFiles files = Files(_folder.At("run"), ["app.conf"]);
        Assert.Equal(ImageManifestStartRole.Program, files.Roles[_folder.At("run")]);
        Assert.Equal(ImageManifestStartRole.Program, files.Roles[interpreter]);
        Assert.Equal(first.Contains("env", StringComparison.Ordinal), files.Roles.Keys.Any(static path => path.EndsWith("/sh", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_runtime_behind_a_script_is_known()
    {
        Write("a/__init__.py", "main.py", "bin/node", "app/index.js");
        File.WriteAllText(_folder.At("serve"), "#!/usr/bin/env python3\n");
        Assert.Equal("script main.py", Find("./serve", "main:app"));

        File.SetUnixFileMode(_folder.At("bin/node"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        _environment["PATH"] = _folder.At("bin");
        CommandFiles files = Files("/usr/bin/env", ["-u", "HOME", "A=b", "node", "app"]);
        Assert.Equal(ImageManifestStartRole.Program, files.Roles[_folder.At("bin/node")]);
        Assert.Equal(ImageManifestStartRole.Script, files.Roles[_folder.At("app/index.js")]);
    }

    [Theory]
    [InlineData("conf", "conf/a.yml, conf/sub/.env, conf/sub/b.yml")]
    [InlineData("conf/*.yml", "conf/a.yml")]
    [InlineData("conf/**/*.yml", "conf/a.yml, conf/sub/b.yml")]
    [InlineData("c*/s?b", "conf/sub/.env, conf/sub/b.yml")]
    [InlineData("conf/[a-c].yml", "conf/a.yml")]
    [InlineData("conf/[b-z].yml", "")]
    [InlineData("gone.yml", "gone.yml")]
    [InlineData("odd[1].yml", "odd[1].yml")]
    [InlineData("conf/sub/.e*", "conf/sub/.env")]
    public void What_it_depends_on_besides(string pattern, string expected)
    {
        Write("conf/a.yml", "conf/sub/b.yml", "conf/sub/.env", "conf/.git/index", "odd[1].yml", "odd1.yml");
        CommandFiles files = CommandFiles.Find(Command("/bin/true", []), [_folder.At(pattern)]);
        Assert.Equal(expected, Describe(files, ImageManifestStartRole.DependsOn));
        Assert.Equal(expected.Length == 0 || pattern == "gone.yml", files.Unmatched.Count == 1);
    }

    [Fact]
    public void Neither_images_nor_its_own_output_are_among_what_it_depends_on()
    {
        Write("a.yml", "image/inventory.img", "image/pscrac.json", "out");
        StartedCommand command = Command("/bin/true", []) with { StandardErrorPath = _folder.At("out") };
        foreach (string pattern in (string[])["", "*", "**/*.*", "image"])
        {
            Assert.Equal(pattern == "image" ? "" : "a.yml", Describe(CommandFiles.Find(command, [_folder.At(pattern)]), ImageManifestStartRole.DependsOn));
        }
    }

    [Fact]
    public void To_depend_on_too_much_is_refused()
    {
        CracException e = Assert.Throws<CracException>(() => CommandFiles.Find(Command("/bin/true", []), ["/usr"]));
        Assert.Equal(CracReason.OptionRefused, e.Reason);
    }

    [Theory]
    [InlineData("abc", "a*c", true)]
    [InlineData("abcbc", "a*bc", true)]
    [InlineData("ab", "a*c", false)]
    [InlineData(".a", "*", false)]
    [InlineData(".a", ".*", true)]
    [InlineData("a-", "a[x-]", true)]
    [InlineData("a]", "a]", true)]
    [InlineData("", "*", true)]
    public void Wildcards(string name, string pattern, bool matches) => Assert.Equal(matches, PathPattern.IsMatch(name, pattern));

    private string Find(string program, string arguments)
    {
        string path = program.Contains('/') ? _folder.At(program) : $"/usr/bin/{program}";
        CommandFiles files = Files(Path.GetFullPath(path), arguments.Split(' '));
        return string.Join(", ", files.Roles.Where(static each => each.Value != ImageManifestStartRole.Program).Select(each => $"{JsonName(each.Value)} {Path.GetRelativePath(_folder.FullPath, each.Key)}").Order(StringComparer.Ordinal));
    }

    private string Describe(CommandFiles files, ImageManifestStartRole role) => string.Join(
        ", ", files.Roles.Where(each => each.Value == role).Select(each => Path.GetRelativePath(_folder.FullPath, each.Key)).Order(StringComparer.Ordinal));

    private CommandFiles Files(string program, IReadOnlyList<string> arguments) => CommandFiles.Find(Command(program, arguments), []);

    private StartedCommand Command(string program, IReadOnlyList<string> arguments) =>
        StartedCommand.Create(program, arguments, _folder.FullPath, _environment);

    private static string JsonName(ImageManifestStartRole role) => char.ToLowerInvariant($"{role}"[0]) + $"{role}"[1..];

    private void Write(params string[] names)
    {
        foreach (string name in names)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.At(name))!);
            File.WriteAllText(_folder.At(name), name);
        }
    }

    private void Jar(string name, CompressionLevel level, string manifest)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.At(name))!);
        using ZipArchive jar = ZipFile.Open(_folder.At(name), ZipArchiveMode.Create);
        jar.CreateEntry("META-INF/");
        using var writer = new StreamWriter(jar.CreateEntry("META-INF/MANIFEST.MF", level).Open());
        writer.Write($"Manifest-Version: 1.0\r\n{manifest}\r\nName: x\r\nClass-Path: not-this.jar\r\n");
    }
}
