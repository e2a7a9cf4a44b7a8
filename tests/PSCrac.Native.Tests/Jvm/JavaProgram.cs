using PSCrac.Jvm;
using PSCrac.Procfs;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Jvm;

/// <summary>A real JVM that prints 1, 2, 3, a line each; compiled and run by the JDK that is installed.</summary>
internal sealed class JavaProgram : IDisposable
{
    private const string Source = """
        public class Counter {
            public static void main(String[] arguments) throws Exception {
                for (int n = 1; ; n++) { System.out.println(n); Thread.sleep(20); }
            }
        }
        """;

    // Compiled once for all tests of the run: javac takes longer than any of them.
    private static readonly Lazy<string> s_classes = new(Compile);

    private JavaProgram(TestProgram program)
    {
        Program = program;
        ProcessId = program.ProcessId;
        try
        {
            Program.WaitForLine("1");
        }
        catch
        {
            Program.Dispose();
            throw;
        }
    }

    internal TestProgram Program { get; }

    internal int ProcessId { get; }

    /// <summary>The JVM's pid where another program has started it.</summary>
    internal int JvmProcessId => ProcessTree.Read(ProcessId).Members.Select(static member => member.Status.ProcessId).First(static id => JvmProcess.TryDetect(id) is not null);

    internal static JavaProgram Start(params string[] options) => new(TestProgram.Start("java", [.. options, "-cp", s_classes.Value, "Counter"]));

    /// <summary>Starts the JVM by another program.</summary>
    internal static JavaProgram StartIn(string program, params string[] arguments) =>
        new(TestProgram.Start(program, [.. arguments, "java", "-cp", s_classes.Value, "Counter"]));

    public void Dispose()
    {
        Program.Dispose();
        File.Delete($"/tmp/.java_pid{ProcessId}");
    }

    private static string Compile()
    {
        string folder = Directory.CreateTempSubdirectory("pscrac-java-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        File.WriteAllText(Path.Combine(folder, "Counter.java"), Source);
        (int code, string error) = CriuProgram.RunProgram("javac", "-d", folder, Path.Combine(folder, "Counter.java"));
        return code == 0 ? folder : throw new InvalidOperationException(error);
    }
}
