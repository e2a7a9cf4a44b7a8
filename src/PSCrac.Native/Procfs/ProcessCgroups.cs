namespace PSCrac.Procfs;

/// <summary>A control group of a process: a line of /proc/PID/cgroup (cgroups(7)).</summary>
/// <param name="Controllers">The controllers of a cgroup v1 hierarchy, such as cpu,cpuacct or name=systemd; empty for cgroup v2.</param>
/// <param name="Path">The group's path in its hierarchy, relative to the reader's cgroup namespace.</param>
internal sealed record ProcessCgroup(string Controllers, string Path)
{
    /// <summary>Reads the groups of an opened process; null if it has ended.</summary>
    internal static List<ProcessCgroup>? TryRead(ProcessDirectory directory)
    {
        if (!directory.TryRead("cgroup", out ProcText text, expectedLength: 1024))
        {
            return null;
        }

        using (text)
        {
            var groups = new List<ProcessCgroup>();
            var lines = new AsciiReader(text.Bytes);
            while (lines.TryReadLine(out ReadOnlySpan<byte> line))
            {
                var parts = new AsciiReader(line);
                parts.ReadUntil((byte)':');
                string controllers = System.Text.Encoding.UTF8.GetString(parts.ReadUntil((byte)':'));
                groups.Add(new ProcessCgroup(controllers, System.Text.Encoding.UTF8.GetString(parts.Rest)));
            }

            return groups;
        }
    }
}
