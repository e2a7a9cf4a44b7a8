namespace PSCrac.Moving;

/// <summary>A move whose session was killed.</summary>
/// <param name="Record">What it has left.</param>
/// <param name="Left">The pids of processes of the tree that are still here. Of a tree that was given away they are only a part, and none of it runs on the other host: GO is said when all have ended.</param>
internal sealed record MoveUnsettled(MoveNearRecord Record, IReadOnlyList<int> Left)
{
    /// <summary>What is known, and what to do.</summary>
    internal string Describe()
    {
        string restore = $"Restore-CracProcess '{Record.ImagePath}'";
        string process = $"{Record.Command} ({Record.ProcessId})";
        if (!Record.IsGiven)
        {
            return $"A session that was killed was moving {process} to {Record.HostName}, and the process has ended since. It does not run there. Its image is whole: {restore}.";
        }

        string given = $"A session that was killed had given {process} to {Record.HostName}";
        string left = string.Join(',', Left);
        return Left.Count == 0
            ? $"{given}, and whether it runs there is not known. {MoveRun.DescribeSettling(new MoveHost { HostName = Record.HostName }.Example, Record.ImagePath)}"
            : $"{given}. It does not run there: of its {Record.Tree.Count} processes {left} are still here. To bring all of them back here: Stop-Process -Id {left} -Force; {restore}. If the others have ended by themselves since, remove the image: Remove-CracImage '{Record.ImagePath}'.";
    }
}
