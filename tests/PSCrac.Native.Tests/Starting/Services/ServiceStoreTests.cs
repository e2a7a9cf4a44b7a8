using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using PSCrac.Starting.Services;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Services;

/// <summary>Descriptions of services: written and read, checked, refused where someone else could have written them, and described by the schema.</summary>
public sealed class ServiceStoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_description_is_read_as_it_was_written()
    {
        var written = new ServiceDescription
        {
            Name = $"test-{Guid.NewGuid():N}",
            FilePath = "/usr/bin/python3",
            Arguments = ["-m", "http.server", "", "ä \"quoted\" <&>"],
            WorkingDirectory = "/",
            Environment = new Dictionary<string, string?> { ["A"] = "1", ["HOME"] = null },
            StandardOutputPath = "/tmp/out",
            User = "www-data",
            PidNamespace = CracPidNamespace.New,
            ReadyUri = new Uri("http://127.0.0.1:8080/health"),
            ReadyPort = 8080,
            ReadyPattern = "^ready$",
            ReadyCommand = ["/bin/true"],
            ReadyTimeout = TimeSpan.FromSeconds(5.5),
            WarmUpUri = [new Uri("http://127.0.0.1:8080/")],
            WarmUpCount = 50,
            WarmUpCommands = [["/bin/echo", "x"]],
            CollectGarbage = true,
            Engine = CracEngineChoice.Criu,
            CheckpointOptions = new Dictionary<string, object> { ["tcp-established"] = true, ["ghost-limit"] = 5L, ["external"] = new object[] { "a", "b" } },
            DependsOn = ["/etc/x*"],
            CheckpointEvery = TimeSpan.FromHours(6),
            Keep = 7,
            RestartFrom = CracServiceRestart.LastImage,
            RestartLimit = 9,
            RestartWindow = TimeSpan.FromDays(1.5),
        };
        string path = ServiceStore.Write(written, replaces: false);
        try
        {
            ServiceDescription read = ServiceStore.Read(written.Name);
            Assert.Equal(ServiceStore.Serialize(written), ServiceStore.Serialize(read));
            Assert.Equal(written.Arguments, read.Arguments);
            Assert.Null(read.Environment["HOME"]);
            Assert.Equal(["a", "b"], Assert.IsType<object[]>(read.CheckpointOptions["external"]));
            Assert.Contains("ä \\\"quoted\\\" <&>", File.ReadAllText(path), StringComparison.Ordinal);
            Assert.Contains(written.Name, ServiceStore.ReadNames());
            Expect.Failure(CracReason.ServiceExists, () => ServiceStore.Write(written, replaces: false));
            ServiceStore.Write(written with { Keep = 2 }, replaces: true);
            Assert.Equal(2, ServiceStore.Read(written.Name).Keep);
        }
        finally
        {
            ServiceStore.Remove(written.Name);
        }

        Expect.Failure(CracReason.ServiceNotFound, () => ServiceStore.Read(written.Name));
        Expect.Failure(CracReason.ServiceNotFound, () => ServiceStore.Remove(written.Name));
    }

    [Theory]
    [InlineData("", "JSON")]
    [InlineData("{}", "name")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","readyUrl":"http://h/"}""", "readyUrl")]
    [InlineData("""{"name":"web","filePath":"x","filePath":"y","workingDirectory":"/"}""", "filePath")]
    [InlineData("""{"name":"web","filePath":null,"workingDirectory":"/"}""", "filePath")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","engine":"Other"}""", "engine")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","engine":1}""", "engine")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","pidNamespace":"1"}""", "pidNamespace")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","restartFrom":7}""", "restartFrom")]
    [InlineData("""{"format":2,"name":"web","filePath":"x","workingDirectory":"/"}""", "format 2")]
    [InlineData("""{"name":"../web","filePath":"x","workingDirectory":"/"}""", "name")]
    [InlineData("""{"name":"web","filePath":"./x","workingDirectory":"/"}""", "filePath")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"here"}""", "workingDirectory")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","dependsOn":["here"]}""", "dependsOn")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","readyUri":"ftp://h/"}""", "readyUri")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","readyPort":70000}""", "readyPort")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","readyPattern":"x"}""", "readyPattern")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","readyCommand":[]}""", "readyCommand")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","warmUpCommands":[[]]}""", "warmUpCommands")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","checkpointEvery":"00:00:00.5"}""", "checkpointEvery")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","keep":0}""", "keep")]
    [InlineData("""{"name":"web","filePath":"x","workingDirectory":"/","restartLimit":0}""", "restartLimit")]
    public void What_is_no_description_is_refused_and_the_field_is_named(string text, string named)
    {
        string path = _folder.At("web.json");
        File.WriteAllText(path, text);
        CracException failure = Expect.Failure(CracReason.ServiceInvalid, () => ServiceStore.ReadFile(path));
        Assert.Contains(named, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_description_that_anyone_may_write_is_not_used()
    {
        string path = WriteValid("web.json");
        Assert.Equal("web", ServiceStore.ReadFile(path).Name);
        foreach (UnixFileMode mode in (UnixFileMode[])[UnixFileMode.GroupWrite, UnixFileMode.OtherWrite])
        {
            File.SetUnixFileMode(path, (UnixFileMode)0x1A4 | mode);
            CracException failure = Expect.Failure(CracReason.ServiceNotTrusted, () => ServiceStore.ReadFile(path));
            Assert.Contains("chmod go-w " + path, failure.RecommendedAction, StringComparison.Ordinal);
        }

        File.SetUnixFileMode(path, (UnixFileMode)0x1A4);
        File.SetUnixFileMode(_folder.FullPath, (UnixFileMode)0x1FF);
        Assert.Contains(_folder.FullPath, Expect.Failure(CracReason.ServiceNotTrusted, () => ServiceStore.ReadFile(path)).Message, StringComparison.Ordinal);

        // Sticky, as /tmp: nobody else may replace the file, and one that someone else puts there belongs to him.
        File.SetUnixFileMode(_folder.FullPath, (UnixFileMode)0x1FF | UnixFileMode.StickyBit);
        Assert.Equal("web", ServiceStore.ReadFile(path).Name);
        Expect.Failure(CracReason.ServiceNotFound, () => ServiceStore.ReadFile(_folder.At("other.json")));
    }

    [RootFact]
    public void A_description_of_someone_else_is_not_used()
    {
        string path = WriteValid("web.json");
        Ownership.Give(path, Ownership.Stranger);
        CracException failure = Expect.Failure(CracReason.ServiceNotTrusted, () => ServiceStore.ReadFile(path));
        Assert.Contains($"user {Ownership.Stranger}", failure.Message, StringComparison.Ordinal);

        // The folder's owner could exchange the file.
        Ownership.Give(path, 0);
        Ownership.Give(_folder.FullPath, Ownership.Stranger);
        Expect.Failure(CracReason.ServiceNotTrusted, () => ServiceStore.ReadFile(path));

        Ownership.Give(_folder.FullPath, 0);
        Assert.Equal("web", ServiceStore.ReadFile(path).Name);
    }

    [Fact]
    public void A_link_in_the_place_of_a_description_is_not_followed()
    {
        string path = WriteValid("web.json");
        File.CreateSymbolicLink(_folder.At("link.json"), path);
        Expect.Failure(CracReason.ServiceNotTrusted, () => ServiceStore.ReadFile(_folder.At("link.json")));
    }

    [Theory]
    [InlineData("web")]
    [InlineData("web-1.2_x")]
    [InlineData("")]
    [InlineData(".web")]
    [InlineData("-web")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("a@b")]
    [InlineData("é")]
    public void A_name_is_one_for_a_file_a_folder_and_a_unit(string name)
    {
        bool isValid = name.StartsWith("web", StringComparison.Ordinal);
        Assert.Equal(isValid, ServiceDescriptionCheck.FindNameFault(name) is null);
        if (!isValid)
        {
            Expect.Failure(CracReason.OptionRefused, () => ServiceStore.PathOf(name));
        }
    }

    [Fact]
    public void The_schema_has_the_fields_of_a_description_and_no_others()
    {
        JsonObject schema = JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "service.schema.json")))!.AsObject();
        JsonTypeInfo<ServiceDescription> type = ServiceDescriptionJson.Default.ServiceDescription;
        Assert.Equal(
            type.Properties.Select(static property => property.Name).Order(StringComparer.Ordinal),
            schema["properties"]!.AsObject().Select(static property => property.Key).Order(StringComparer.Ordinal));
        Assert.Equal(
            type.Properties.Where(static property => property.IsRequired).Select(static property => property.Name).Order(StringComparer.Ordinal),
            schema["required"]!.AsArray().Select(static name => (string)name!).Order(StringComparer.Ordinal));
        Assert.False((bool)schema["additionalProperties"]!);
        AssertValues<CracPidNamespace>(schema, "pidNamespace");
        AssertValues<CracEngineChoice>(schema, "engine");
        AssertValues<CracServiceRestart>(schema, "restartFrom");
        foreach (JsonPropertyInfo property in type.Properties)
        {
            string kind = Kind(schema, schema["properties"]![property.Name]!.AsObject());
            Assert.True(Kind(Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType) == kind, $"{property.Name} is {kind} in the schema");
        }
    }

    private static void AssertValues<T>(JsonObject schema, string field)
        where T : struct, Enum =>
        Assert.Equal(Enum.GetNames<T>().Order(StringComparer.Ordinal), schema["properties"]![field]!["enum"]!.AsArray().Select(static name => (string)name!).Order(StringComparer.Ordinal));

    private static string Kind(JsonObject schema, JsonObject field) =>
        field["$ref"] is { } reference ? Kind(schema, schema["$defs"]![((string)reference!)["#/$defs/".Length..]]!.AsObject())
        : field["enum"] is not null ? "string" : (string)field["type"]!;

    private static string Kind(Type type) =>
        type == typeof(string) || type == typeof(Uri) || type == typeof(TimeSpan) || type.IsEnum ? "string"
        : type == typeof(int) ? "integer"
        : type == typeof(bool) ? "boolean"
        : type.Name.Contains("Dictionary", StringComparison.Ordinal) ? "object"
        : "array";

    private string WriteValid(string name)
    {
        string path = _folder.At(name);
        File.WriteAllText(path, """{"name":"web","filePath":"x","workingDirectory":"/"}""");
        return path;
    }
}
