using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Moving;

/// <summary>
/// A program that in each step changes and checks random pages of its memory: each has its own number, and how often it was changed. It writes
/// a line for each page that is not what it was, and a number for each round.
/// </summary>
internal sealed class CheckingProgram : IDisposable
{
    private const string Program = """
        import os, random, sys, time
        size = int(sys.argv[1]) << 8
        memory = bytearray(os.urandom(1 << 12) * size)
        changes = [0] * size
        for page in range(size):
            memory[page << 12:(page << 12) + 8] = page.to_bytes(4, "little") + bytes(4)
        f = os.open("rounds", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        print("checking", flush=True)
        n = 0
        while True:
            n += 1
            for page in random.sample(range(size), 20):
                at = page << 12
                if memory[at:at + 8] != page.to_bytes(4, "little") + changes[page].to_bytes(4, "little"):
                    os.write(f, b"page %d is %s\n" % (page, memory[at:at + 8].hex().encode()))
                changes[page] += 1
                memory[at + 4:at + 8] = changes[page].to_bytes(4, "little")
            os.write(f, b"%d\n" % n)
            time.sleep(.001)
        """;

    private readonly TestProgram _program;

    internal CheckingProgram(int mebibytes)
    {
        _program = TestProgram.Start(PythonProgram.Path!, ["-c", Program, $"{mebibytes}"]);
        _program.WaitForLine("checking");
        RequireSound();
    }

    internal int ProcessId => _program.ProcessId;

    /// <summary>The processes that run it, wherever, by their pids here.</summary>
    internal List<int> Find()
    {
        var found = new List<int>();
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int id) && new FileInfo(Path.Combine(directory, "cwd")).LinkTarget == _program.Folder
                && ProcessStatus.TryRead(id) is { HasEnded: false })
            {
                found.Add(id);
            }
        }

        return found;
    }

    /// <summary>Waits until it has done more, and asserts that no page was wrong and no round lost or repeated.</summary>
    internal void RequireSound()
    {
        const int Rounds = 20;
        int before = RequireSoundSoFar();
        Wait.Until(() => RequireSoundSoFar() >= before + Rounds, () => "it does not go on");
    }

    /// <summary>Asserts that no page was wrong and no round lost or repeated.</summary>
    /// <returns>The number of rounds.</returns>
    internal int RequireSoundSoFar()
    {
        string path = Path.Combine(_program.Folder, "rounds");
        string text = File.Exists(path) ? File.ReadAllText(path) : "";
        string[] lines = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < lines.Length; i++)
        {
            Assert.True(lines[i] == $"{i + 1}", $"line {i + 1} is {lines[i]}");
        }

        return lines.Length;
    }

    public void Dispose() => _program.Dispose();
}
