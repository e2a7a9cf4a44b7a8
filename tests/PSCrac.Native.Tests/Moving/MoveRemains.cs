using System.Diagnostics;
using System.Globalization;
using System.Text;
using PSCrac.Images.Operations;
using PSCrac.Moving;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Moving;

/// <summary>What a move must not leave on either side, however it ended: processes, images, records, locks of connections.</summary>
internal sealed class MoveRemains
{
    private readonly FarHost _far;
    private readonly HashSet<string> _tablesBefore = Tables("nft");

    /// <summary>Notes what was there before.</summary>
    internal MoveRemains(FarHost far) => _far = far;

    /// <summary>Asserts that the program runs where the move's end says, whole and without a fault, and that nothing else is left.</summary>
    /// <param name="program">The program that was moved.</param>
    /// <param name="sessionStarted">What a session that was killed had started.</param>
    /// <param name="end">How the move ended, one of <see cref="MoveFault"/>'s.</param>
    internal void Require(CountingProgram program, IReadOnlyList<ProcessIdentity> sessionStarted, string end)
    {
        // What is killed takes a moment to go; a far side that lacks pages waits for them.
        Wait.Until(() => Strays(program.Find()).Count == 0, () => $"left on the far side: {Describe(Strays(program.Find()))}");
        Wait.Until(() => StraysHere(program.Find()).Length == 0, () => $"left here: {string.Join("; ", StraysHere(program.Find()))}");
        List<ProcessIdentity> started = [.. sessionStarted.Where(each => !program.WasIn(each))];
        Wait.Until(() => !started.Exists(static each => each.IsRunning()), () => $"left by the session: {string.Join("; ", started.Where(static each => each.IsRunning()).Select(static each => $"{each.ProcessId} {FarHost.CommandLineOf(each.ProcessId)}"))}");
        List<int> running = [];
        Wait.Until(() => (running = program.Find()).Count is 0 || running.Count == program.ProcessCount, () => $"{running.Count} of {program.ProcessCount} processes run it: {string.Join(", ", running)}");
        HashSet<int> there = [.. _far.Processes().Select(static status => status.ProcessId)];
        string[] images = Names(ImageRoot.Path);
        program.RequireConsecutive();
        switch (end)
        {
            case MoveFault.RunsThere:
                Assert.Equal(program.ProcessCount, running.Count);
                Assert.True(running.TrueForAll(there.Contains), "a part of it is here");
                program.RequireCounting();
                break;
            case MoveFault.Unknown:
                Assert.True(running.Count == 0 || running.TrueForAll(there.Contains), $"{running.Count} processes run it, and it is unknown");
                RequireWhole(Assert.Single(images));
                _ = MoveRecords.ReadUnsettled();
                Array.ForEach(Names(MoveRecords.Folder), static name => File.Delete(Path.Combine(MoveRecords.Folder, name)));
                break;
            case MoveFault.Lost:
                Assert.Empty(running);
                RequireWhole(Assert.Single(images));
                break;
            default:
                Assert.Equal(program.ProcessCount, running.Count);
                Assert.False(running.Exists(there.Contains), "a part of it is there");
                program.RequireCounting();
                break;
        }

        bool keepsImage = end is MoveFault.Unknown or MoveFault.Lost;
        Assert.True(keepsImage || images.Length == 0, $"images left here: {string.Join(", ", images)}");
        program.RequireConsecutive();
        if (end == MoveFault.Unknown)
        {
            // The connections stay locked until the image is restored or given up.
            foreach (string table in Tables("nft").Except(_tablesBefore))
            {
                CriuProgram.RunProgram("nft", "delete", "table", "inet", table);
            }
        }

        Wait.Until(() => !Tables("nft").Except(_tablesBefore).Any(), () => $"locks left here: {string.Join(", ", Tables("nft").Except(_tablesBefore))}");
        Wait.Until(() => FarTables().Count == 0, () => $"locks left there: {string.Join(", ", FarTables())}");
        Wait.Until(() => LeftThere().Length == 0, () => $"images left there: {string.Join(", ", LeftThere())}");
        Assert.True(Names(MoveRecords.Folder).Length == 0, $"records left here: {string.Join(", ", Names(MoveRecords.Folder))}");
    }

    internal static string[] Names(string folder) =>
        Directory.Exists(folder) ? [.. Directory.GetFileSystemEntries(folder).Select(static path => Path.GetFileName(path))] : [];

    private static void RequireWhole(string name)
    {
        string path = Path.Combine(ImageRoot.Path, name);
        Assert.True(CracImage.Open(path).IsRestorable(out string? missing), $"{path} lacks {missing}");
        Directory.Delete(path, recursive: true);
    }

    // The next session removes the unfinished image of one that was killed.
    private string[] LeftThere() => Array.FindAll(Names(_far.ImageRoot), static name => !name.StartsWith(ImageName.StagingPrefix, StringComparison.Ordinal));

    private HashSet<string> FarTables() => Tables("nsenter", $"--net=/proc/{_far.InitId}/ns/net", "nft");

    // criu's, by their names.
    private static HashSet<string> Tables(params string[] command)
    {
        using var list = Process.Start(new ProcessStartInfo(command[0], [.. command[1..], "list", "tables", "inet"]) { RedirectStandardOutput = true })!;
        string text = list.StandardOutput.ReadToEnd();
        list.WaitForExit();
        return [.. text.Split('\n').Select(static line => line.Split(' ')[^1]).Where(static name => name.StartsWith("CRIU-", StringComparison.Ordinal))];
    }

    private List<ProcessStatus> Strays(List<int> running) => _far.Processes().FindAll(status => !running.Contains(status.ProcessId));

    // All that a move starts here has the variable that names its ssh, or is the shell that guards it.
    private string[] StraysHere(List<int> running)
    {
        HashSet<int> ours = [Environment.ProcessId, .. running];
        var found = new List<string>();
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int id) && !ours.Contains(id) && ProcessStatus.TryRead(id) is { HasEnded: false } status
                && status.NamespaceProcessIds.Count == 1 && IsOfMove(directory, status))
            {
                found.Add($"{id} {FarHost.CommandLineOf(id)}");
            }
        }

        return [.. found];
    }

    private bool IsOfMove(string directory, ProcessStatus status)
    {
        try
        {
            return File.ReadAllText(Path.Combine(directory, "environ")).Contains($"{SshTransport.ProgramVariable}={_far.At("ssh")}", StringComparison.Ordinal)
                || (status.ParentProcessId == Environment.ProcessId && FarHost.CommandLineOf(status.ProcessId).StartsWith("pscrac-guard", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string Describe(IEnumerable<ProcessStatus> processes)
    {
        var text = new StringBuilder();
        foreach (ProcessStatus each in processes)
        {
            text.Append(CultureInfo.InvariantCulture, $"{each.ProcessId} {FarHost.CommandLineOf(each.ProcessId)}; ");
        }

        return text.ToString();
    }
}
