using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Moving;

/// <summary>
/// A program whose processes append the next number to a file in each step, each to one of its own. Both hosts see the files, so they tell what
/// happened: a number that is there twice was written by two, one that is missing was lost. Its first process sends each number through a
/// connection with itself. In each step a process also changes and checks random pages of its memory, each of which has its own number, and
/// writes a line for one that is not what it was.
/// </summary>
internal sealed class CountingProgram : IDisposable
{
    private const string Program = """
        import os, random, socket, sys, time
        children = int(sys.argv[2])
        own = 0
        for i in range(children):
            if os.fork() == 0:
                own = i + 1
                break
        pages = int(sys.argv[1]) << (8 if own == 0 else 6)
        memory = bytearray(os.urandom(1 << 12) * pages)
        changes = [0] * pages
        for page in range(pages):
            memory[page << 12:(page << 12) + 8] = page.to_bytes(4, "little") + bytes(4)
        if own == 0:
            listener = socket.create_server(("127.0.0.1", 0))
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
            listener.close()
        f = os.open("counter%d" % own, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        if own == 0:
            print("counting", flush=True)
        n = 0
        while True:
            n += 1
            for page in random.sample(range(pages), min(pages, 8)):
                at = page << 12
                if memory[at:at + 8] != page.to_bytes(4, "little") + changes[page].to_bytes(4, "little"):
                    os.write(f, b"page %d is %s\n" % (page, memory[at:at + 8].hex().encode()))
                changes[page] += 1
                memory[at + 4:at + 8] = changes[page].to_bytes(4, "little")
            os.write(f, b"%d\n" % n)
            if own == 0:
                near.sendall(b"%8d" % n)
                if int(far.recv(8)) != n:
                    break
            time.sleep(.002 * (1 + children))
        """;

    private readonly TestProgram _program;
    private readonly HashSet<ProcessIdentity> _first;

    /// <summary>Starts it.</summary>
    /// <param name="mebibytes">The memory that its first process fills; each other one fills a quarter of it.</param>
    /// <param name="children">How many other processes it has.</param>
    internal CountingProgram(int mebibytes = 4, int children = 2)
    {
        ProcessCount = 1 + children;
        _program = TestProgram.Start(PythonProgram.Path!, ["-c", Program, $"{mebibytes}", $"{children}"]);
        _program.WaitForLine("counting");
        RequireCounting();
        _first = [.. ProcessTree.Read(ProcessId).Members.Select(static member => member.Status.Identity)];
    }

    /// <summary>Whether a process is one that it was started with.</summary>
    internal bool WasIn(ProcessIdentity process) => _first.Contains(process);

    /// <summary>How many processes it has.</summary>
    internal int ProcessCount { get; }

    internal int ProcessId => _program.ProcessId;

    internal string Folder => _program.Folder;

    /// <summary>What it has written to its standard error.</summary>
    internal string Errors => _program.ReadErrors();

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

    /// <summary>Asserts that each process has written each number once, in order, and that no page was wrong.</summary>
    internal void RequireConsecutive()
    {
        for (int own = 0; own < ProcessCount; own++)
        {
            string text = File.ReadAllText(FileOf(own));
            string[] lines = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
            for (int i = 0; i < lines.Length; i++)
            {
                Assert.True(lines[i] == $"{i + 1}", $"line {i + 1} of process {own} is {lines[i]}");
            }
        }
    }

    /// <summary>Waits until each process has written more.</summary>
    internal void RequireCounting()
    {
        const int Steps = 3;
        long[] before = [.. Enumerable.Range(0, ProcessCount).Select(Length)];
        Wait.Until(
            () => Array.TrueForAll([.. Enumerable.Range(0, ProcessCount)], own => Length(own) >= before[own] + (Steps * 2)),
            () => $"not all count: {string.Join(", ", Find().Select(static id => $"{id} {ProcessStatus.TryRead(id)?.State}"))}");
    }

    private string FileOf(int own) => Path.Combine(Folder, $"counter{own}");

    private long Length(int own) => new FileInfo(FileOf(own)) is { Exists: true } file ? file.Length : 0;

    public void Dispose()
    {
        // Those that were restored are no descendants.
        _program.Dispose();
    }
}
