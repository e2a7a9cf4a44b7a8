using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Moving;

/// <summary>
/// A program that appends the next number to a file in each step. Both hosts see the file, so it tells what happened: a number that is there
/// twice was written by two, one that is missing was lost.
/// </summary>
internal sealed class CountingProgram : IDisposable
{
    private const string Program = """
        import os, sys, time
        memory = [bytearray(os.urandom(1 << 20)) for _ in range(int(sys.argv[1]))]
        f = os.open("counter", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        print("counting", flush=True)
        n = 0
        while True:
            n += 1
            os.write(f, b"%d\n" % n)
            time.sleep(.002)
        """;

    private readonly TestProgram _program;

    internal CountingProgram(int mebibytes = 4)
    {
        _program = TestProgram.Start(PythonProgram.Path!, ["-c", Program, $"{mebibytes}"]);
        _program.WaitForLine("counting");
        RequireCounting();
    }

    internal int ProcessId => _program.ProcessId;

    internal string Folder => _program.Folder;

    /// <summary>The processes that run it, wherever, by their pids here.</summary>
    internal List<int> Find()
    {
        var found = new List<int>();
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int id) && new FileInfo(Path.Combine(directory, "cwd")).LinkTarget == Folder
                && ProcessStatus.TryRead(id) is { HasEnded: false })
            {
                found.Add(id);
            }
        }

        return found;
    }

    /// <summary>Asserts that each number was written once, in order.</summary>
    internal int RequireConsecutive()
    {
        string text = File.ReadAllText(Path.Combine(Folder, "counter"));
        string[] lines = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < lines.Length; i++)
        {
            Assert.True(lines[i] == $"{i + 1}", $"line {i + 1} is {lines[i]}");
        }

        return lines.Length;
    }

    /// <summary>Waits until it has written more.</summary>
    internal void RequireCounting()
    {
        const int Steps = 3;
        long before = Length();
        Wait.Until(() => Length() >= before + (Steps * 2), () => "it does not count");
    }

    private long Length() => new FileInfo(Path.Combine(Folder, "counter")) is { Exists: true } file ? file.Length : 0;

    public void Dispose() => _program.Dispose();
}
