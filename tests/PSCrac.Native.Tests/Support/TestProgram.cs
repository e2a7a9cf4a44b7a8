using System.Diagnostics;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Tests.Support;

/// <summary>
/// A program started for a test in a session of its own, with its output in a private folder.
/// Disposing kills it and all its descendants, also those that criu brought back, and removes the folder.
/// </summary>
internal sealed class TestProgram : IDisposable
{
    private readonly Process _process;
    private readonly HashSet<ProcessIdentity> _seen = [];

    private readonly bool _ownsFolder;

    private TestProgram(Process process, string folder, bool ownsFolder)
    {
        _process = process;
        _ownsFolder = ownsFolder;
        Folder = folder;
        Remember();
    }

    internal int ProcessId => _process.Id;

    internal string Folder { get; }

    internal string OutputPath => Path.Combine(Folder, "out");

    /// <summary>Starts a shell script. The shell becomes what the script execs.</summary>
    internal static TestProgram Shell(string script) => Start("sh", ["-c", script]);

    /// <summary>Starts a program under setsid, so that nothing of the test's own terminal or session clings to it.</summary>
    internal static TestProgram Start(string program, IReadOnlyList<string> arguments, bool openFolder = false)
    {
        string folder = Directory.CreateTempSubdirectory("pscrac-test-").FullName;
        if (openFolder)
        {
            File.SetUnixFileMode(folder, (UnixFileMode)0x1ff);
        }

        return Start(program, arguments, folder, ownsFolder: true);
    }

    /// <summary>Starts another program in the folder of this one, in a session of its own. It has to be disposed first.</summary>
    internal TestProgram StartPartner(string program, IReadOnlyList<string> arguments) =>
        Start(program, arguments, Folder, ownsFolder: false);

    private static TestProgram Start(string program, IReadOnlyList<string> arguments, string folder, bool ownsFolder)
    {
        // The shell opens the files, so that none of the pipes .NET would make is inherited.
        var start = new ProcessStartInfo("setsid") { WorkingDirectory = folder, UseShellExecute = false };
        string log = ownsFolder ? "" : "partner-";
        foreach (string argument in (string[])["sh", "-c", $"exec \"$@\" </dev/null >>{log}out 2>>{log}err", "sh", program])
        {
            start.ArgumentList.Add(argument);
        }

        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return new TestProgram(Process.Start(start)!, folder, ownsFolder);
    }

    /// <summary>Waits until the program's output has a line that starts so, and gives the line.</summary>
    internal string WaitForLine(string prefix)
    {
        string? line = null;
        Wait.Until(() =>
        {
            if (!File.Exists(OutputPath))
            {
                return false;
            }

            // Whole lines only: with PYTHONUNBUFFERED a line comes in pieces.
            string text = File.ReadAllText(OutputPath);
            line = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(each => each.StartsWith(prefix, StringComparison.Ordinal));
            return line is not null;
        }, () => $"no line '{prefix}' in the output; errors: {ReadErrors()}");
        Remember();
        return line!;
    }

    internal string ReadErrors()
    {
        string path = Path.Combine(Folder, _ownsFolder ? "err" : "partner-err");
        return File.Exists(path) ? File.ReadAllText(path) : "";
    }

    /// <summary>Takes note of the tree as it is now, so that all of it is killed in the end.</summary>
    internal void Remember()
    {
        try
        {
            foreach (ProcessTreeMember member in ProcessTree.Read(ProcessId).Members)
            {
                _seen.Add(member.Status.Identity);
            }
        }
        catch (CracException)
        {
        }
    }

    public void Dispose()
    {
        Remember();

        // Not with Process.Kill: .NET takes what criu brought back under the pid of a child of ours, whose Process is still
        // held, for that child, which has exited, and does nothing.
        foreach (ProcessIdentity identity in _seen)
        {
            ProcessKill.Kill(identity);
        }

        _process.WaitForExit();
        _process.Dispose();
        if (_ownsFolder)
        {
            KillStrays();
            Directory.Delete(Folder, recursive: true);
        }
    }

    // Who was adopted before a checkpoint may be init's child after the restore, and so in no tree that was looked at.
    private void KillStrays()
    {
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int id)
                && ProcessIdentity.TryRead(id) is { } identity
                && new FileInfo(Path.Combine(directory, "cwd")).LinkTarget == Folder)
            {
                ProcessKill.Kill(identity);
            }
        }
    }
}
